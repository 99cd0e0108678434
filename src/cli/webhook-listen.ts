import { type Sluice, SluiceError, type VerifiedWebhook, verifyWebhook } from "@sluice/sdk";
import { type Command, Option } from "commander";
import { isLoopback, withSluice } from "./connect.ts";
import { type CliContext, CliError, INTERRUPTED } from "./context.ts";
import { ENDINGS, onInterrupt } from "./interrupt.ts";
import { integer, jsonOption } from "./options.ts";
import { write, writeJson } from "./output.ts";
import { createPrompts } from "./prompt.ts";
import { readSecret } from "./secret.ts";
import { clean, cut } from "./text.ts";
import { type Arrival, startReceiver } from "./webhook-receiver.ts";

type Run = (action: () => Promise<number>) => Promise<void>;

interface ListenOptions {
  readonly port: number;
  readonly secret?: string;
  readonly secretFile?: string;
  readonly event: string[];
  readonly json?: boolean;
}

/** Columns of an event in words. */
const MAX_COLUMNS = 500;

export function registerListen(webhooks: Command, context: CliContext, run: Run): void {
  const { programName } = context;
  webhooks
    .command("listen")
    .description("take events at a port of this machine and print each, with its signature checked")
    .option("--port <n>", "port of 127.0.0.1 (default: a free one)", integer(0, 65_535), 0)
    .option(
      "--secret-file <file>",
      "file with the secret of a webhook that leads here; - reads it from stdin",
    )
    .addOption(new Option("--secret <secret>", "the secret itself").conflicts("secretFile"))
    .option("--event <type...>", "without a secret: the events of the webhook that is made for the time", [
      "*",
    ])
    .addOption(jsonOption())
    .addHelpText(
      "after",
      `
Without a secret it makes a webhook at the server that leads here, and deletes it at the end. For that the server must
run on this machine, with SLUICE_EGRESS_ALLOW=127.0.0.1. Ctrl-C ends it. What is signed well is answered with 204, all
else with 400.

Examples:
  $ ${programName} webhooks listen
  $ ${programName} webhooks listen --port 9000 --secret-file secret`,
    )
    .action((options: ListenOptions) => run(() => listen(context, options)));
}

async function listen(context: CliContext, options: ListenOptions): Promise<number> {
  const known = await knownSecret(context, options);
  if (known) return await follow(context, options, async () => known);
  return await withSluice(context, async (sluice, target) => {
    if (!isLoopback(new URL(target.url).hostname)) {
      throw new CliError(
        `${target.url} is not this machine, so it cannot call a port of it. Create a webhook whose address leads here, then run \`${context.programName} webhooks listen --port PORT --secret-file FILE\`.`,
        2,
      );
    }
    let made: string | undefined;
    try {
      return await follow(context, options, async (url) => {
        const { id, secret } = await makeWebhook(sluice, url, options.event);
        made = id;
        return secret;
      });
    } finally {
      if (made) await deleteWebhook(sluice, context, made);
    }
  });
}

/** Takes calls until Ctrl-C, or what else ends it in good order. */
async function follow(
  { io: { stdout, stderr } }: CliContext,
  { port, json }: ListenOptions,
  secretFor: (url: string) => Promise<string>,
): Promise<number> {
  const { signal, release } = onInterrupt(ENDINGS);
  const secret = Promise.withResolvers<string>();
  try {
    await using receiver = await startReceiver({
      port,
      secret: secret.promise,
      async tell(arrival) {
        if (json) await writeJson(stdout, jsonOf(arrival));
        else await write(stdout, `${textOf(arrival)}\n`);
      },
    });
    secret.resolve(await secretFor(receiver.url));
    stderr.write(`Events are taken at ${receiver.url}; Ctrl-C ends it.\n`);
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
    return INTERRUPTED;
  } finally {
    release();
  }
}

async function knownSecret(
  { io }: CliContext,
  { secret, secretFile }: ListenOptions,
): Promise<string | undefined> {
  if (secret === undefined && secretFile === undefined) return undefined;
  const prompts = createPrompts(io);
  try {
    const text =
      secret ?? (await readSecret(secretFile ?? "-", prompts, "Secret of the webhook: ", "secret"));
    const given = text.trim();
    // No call is good, but a secret that is none is told before anything else.
    await verifyWebhook({}, "", given).catch((error: unknown) => {
      if (error instanceof TypeError) throw new CliError(`${error.message}.`, 2);
    });
    return given;
  } finally {
    prompts.close();
  }
}

async function makeWebhook(
  sluice: Sluice,
  url: string,
  events: string[],
): Promise<{ id: string; secret: string }> {
  try {
    const description = "For the time of `sluice webhooks listen`.";
    const { webhook, secret } = await sluice.webhooks.createWebhook({ url, events, description });
    if (!webhook || !secret) throw new CliError("The answer has no webhook.");
    return { id: webhook.id, secret };
  } catch (error) {
    if (!(error instanceof SluiceError) || error.reason !== "EGRESS_DENIED") throw error;
    throw new CliError(
      `The server may not call ${url}. Start it with SLUICE_EGRESS_ALLOW=127.0.0.1, or give --secret-file of a webhook that leads here by another way.`,
    );
  }
}

async function deleteWebhook(
  sluice: Sluice,
  { io: { stderr }, programName }: CliContext,
  id: string,
): Promise<void> {
  await sluice.webhooks.deleteWebhook({ id }).catch(() => {
    stderr.write(`The webhook is left. Delete it: ${programName} webhooks delete ${id}\n`);
  });
}

function jsonOf(arrival: Arrival): object {
  if (!arrival.ok) return { verified: false, reason: arrival.error.reason, message: arrival.error.message };
  const { id, signTime, event } = arrival.verified;
  return { verified: true, id, signTime: signTime.toISOString(), event };
}

/** On one line, ready for a terminal. */
function textOf(arrival: Arrival): string {
  if (!arrival.ok) return `REFUSED  ${arrival.error.reason}: ${arrival.error.message}`;
  const line = ["signature good", ...wordsOf(arrival.verified)].map(clean).join("  ");
  return cut(line, MAX_COLUMNS);
}

function wordsOf({ id, event }: VerifiedWebhook): string[] {
  const { time, type, job, webhook } = event;
  const subject = Object.entries(job ?? webhook ?? {}).map(([name, value]) =>
    name === "id" ? String(value) : `${name}=${value}`,
  );
  return [time, type, ...subject, `delivery=${id}`];
}
