import { toJson } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { EventTypeSchema, type Sluice, type Webhook, WebhookSchema } from "@sluice/sdk";
import { type Command, Option } from "commander";
import { withSluice } from "./connect.ts";
import { type CliContext, CliError, type Output } from "./context.ts";
import { registerDeliveries } from "./deliveries.ts";
import { idOf, integer, jsonOption } from "./options.ts";
import { write, writeJson } from "./output.ts";
import { allOf } from "./pages.ts";
import { clean, table } from "./text.ts";
import { readHeaders } from "./webhook-headers.ts";
import { registerListen } from "./webhook-listen.ts";
import { webhookLines, webhookTable } from "./webhook-text.ts";

type Run = (action: () => Promise<number>) => Promise<void>;
interface Json {
  readonly json?: boolean;
}

const HOUR_MS = 3_600_000;
const EVENTS =
  "types of events: job.completed, all of a kind as 'job.*', or '*'; `webhooks events` lists them";
const HEADER =
  "'Name: value' to send along, or @FILE with one a line, which others on the machine do not see";

export function registerWebhooks(program: Command, context: CliContext, run: Run): void {
  const act = (action: (sluice: Sluice) => Promise<number>) => run(() => withSluice(context, action));
  const { io, programName } = context;
  const { stdout } = io;
  const id = idOf("webhook", `${programName} webhooks list`);
  const webhooks = program.command("webhooks").description("have events posted to URLs of yours");

  webhooks
    .command("create")
    .description("have events posted to a URL, and print the secret that verifies them, once")
    .argument("<url>", "where to")
    .requiredOption("--event <type...>", EVENTS)
    .option("--description <text>", "for people", "")
    .option("--header <header...>", HEADER)
    .option("--ordered", "events of a job one after the other, in their order", false)
    .addOption(jsonOption())
    .addHelpText(
      "after",
      `\nExample:\n  $ ${programName} webhooks create https://example.com/hooks/sluice --event job.completed job.failed > secret`,
    )
    .action((url: string, options: CreateOptions) => act((sluice) => create(sluice, context, url, options)));
  webhooks
    .command("list")
    .description("list webhooks, newest first")
    .addOption(new Option("--active", "only those that are active").conflicts("disabled"))
    .option("--disabled", "only those that are disabled")
    .addOption(jsonOption())
    .action((options: ListOptions) => act((sluice) => list(sluice, stdout, options)));
  webhooks
    .command("get")
    .description("show a webhook, and how its endpoint fares")
    .argument("<id>", "the webhook", id)
    .addOption(jsonOption())
    .action((webhookId: string, { json }: Json) =>
      act(async (sluice) => await show(stdout, await find(sluice, webhookId), json)),
    );
  webhooks
    .command("update")
    .description("change a webhook; what is not given stays, and so does the secret")
    .argument("<id>", "the webhook", id)
    .option("--to <url>", "where to post; values of headers are then to be given anew")
    .option("--event <type...>", `all ${EVENTS}`)
    .option("--description <text>", "for people")
    .option("--header <header...>", HEADER)
    .option("--remove-header <name...>", "headers that are no longer sent", [])
    .addOption(new Option("--ordered", "events of a job one after the other").conflicts("unordered"))
    .option("--unordered", "events as they are ready")
    .addOption(new Option("--enable", "post events, from now on").conflicts("disable"))
    .option("--disable", "post nothing; what happens meanwhile can be replayed")
    .addOption(jsonOption())
    .action((webhookId: string, options: UpdateOptions) =>
      act(async (sluice) => await show(stdout, await update(sluice, webhookId, options), options.json)),
    );
  webhooks
    .command("delete")
    .description("delete a webhook with its deliveries")
    .argument("<id>", "the webhook", id)
    .addOption(jsonOption())
    .action((webhookId: string, { json }: Json) =>
      act(async (sluice) => {
        await sluice.webhooks.deleteWebhook({ id: webhookId });
        if (json) await writeJson(stdout, { action: "deleted", id: webhookId });
        else await write(stdout, `${webhookId} is deleted.\n`);
        return 0;
      }),
    );
  webhooks
    .command("rotate-secret")
    .description("give a webhook a new secret and print it, once; the old one signs too for a while")
    .argument("<id>", "the webhook", id)
    .option("--overlap <hours>", "how long the old secret signs too; 0 if it has leaked", integer(0, 168), 24)
    .addOption(jsonOption())
    .action((webhookId: string, { overlap, json }: Json & { overlap: number }) =>
      act(async (sluice) => {
        const { webhook, secret } = await sluice.webhooks.rotateWebhookSecret({
          id: webhookId,
          overlap: durationFromMs(overlap * HOUR_MS),
        });
        return await showSecret(context, webhook, secret, json);
      }),
    );
  webhooks
    .command("events")
    .description("list the types of events; with --json also the schema and an example of each")
    .addOption(jsonOption())
    .action(({ json }: Json) => act((sluice) => listEvents(sluice, stdout, json)));
  registerDeliveries(webhooks, context, run);
  registerListen(webhooks, context, run);
}

interface CreateOptions extends Json {
  readonly event: string[];
  readonly description: string;
  readonly header?: string[];
  readonly ordered: boolean;
}

interface ListOptions extends Json {
  readonly active?: boolean;
  readonly disabled?: boolean;
}

interface UpdateOptions extends Json {
  readonly to?: string;
  readonly event?: string[];
  readonly description?: string;
  readonly header?: string[];
  readonly removeHeader: string[];
  readonly ordered?: boolean;
  readonly unordered?: boolean;
  readonly enable?: boolean;
  readonly disable?: boolean;
}

async function create(
  sluice: Sluice,
  context: CliContext,
  url: string,
  { event: events, description, header = [], ordered, json }: CreateOptions,
): Promise<number> {
  const headers = await readHeaders(header);
  const made = await sluice.webhooks.createWebhook({ url, events, description, headers, ordered });
  return await showSecret(context, made.webhook, made.secret, json);
}

async function list(
  sluice: Sluice,
  stdout: Output,
  { active, disabled, json }: ListOptions,
): Promise<number> {
  const filter = active || disabled ? { isActive: active === true } : {};
  const found = await allOf(async (page) => {
    const { webhooks, nextPageToken } = await sluice.webhooks.listWebhooks({ ...filter, ...page });
    return { found: webhooks, nextPageToken };
  });
  if (json) for (const webhook of found) await writeJson(stdout, toJson(WebhookSchema, webhook));
  else await write(stdout, webhookTable(found, Date.now(), stdout.isTTY ? stdout.columns : undefined));
  return 0;
}

async function find(sluice: Sluice, id: string): Promise<Webhook> {
  const { webhook } = await sluice.webhooks.getWebhook({ id });
  if (!webhook) throw new CliError("The answer has no webhook.");
  return webhook;
}

/** Somebody else's change meanwhile is not overwritten. */
async function update(sluice: Sluice, id: string, options: UpdateOptions): Promise<Webhook | undefined> {
  const { to, event, description, header = [], removeHeader, ordered, unordered, enable, disable } = options;
  const given = [to, event, description, options.header, ordered, unordered, enable, disable];
  if (given.every((value) => value === undefined) && removeHeader.length === 0)
    throw new CliError("Say what to change: `--help` lists it.", 2);
  const next = await readHeaders(header);
  const before = await find(sluice, id);
  const replaced = new Set([...Object.keys(next), ...removeHeader].map((name) => name.toLowerCase()));
  const kept = Object.entries(before.headers).filter(([name]) => !replaced.has(name.toLowerCase()));
  const { webhook } = await sluice.webhooks.updateWebhook({
    id,
    expectedVersion: before.version,
    url: to ?? before.url,
    events: event ?? before.events,
    description: description ?? before.description,
    headers: { ...Object.fromEntries(kept), ...next },
    ...(ordered || unordered ? { ordered: ordered === true } : {}),
    ...(enable || disable ? { isActive: enable === true } : {}),
  });
  return webhook;
}

async function show(stdout: Output, webhook: Webhook | undefined, json?: boolean): Promise<number> {
  if (!webhook) throw new CliError("The answer has no webhook.");
  if (json) {
    await writeJson(stdout, toJson(WebhookSchema, webhook));
    return 0;
  }
  const lines = webhookLines(webhook, Date.now());
  await write(stdout, lines.map(([name, text]) => `${name.padEnd(19)}${clean(text)}\n`).join(""));
  return 0;
}

async function showSecret(
  { io: { stdout, stderr } }: CliContext,
  webhook: Webhook | undefined,
  secret: string,
  json?: boolean,
): Promise<number> {
  if (!webhook || !secret) throw new CliError("The answer has no webhook.");
  if (json) {
    await writeJson(stdout, { ...(toJson(WebhookSchema, webhook) as object), secret });
    return 0;
  }
  stderr.write(`The webhook is ${webhook.id}. Its secret is shown only here:\n`);
  await write(stdout, `${secret}\n`);
  return 0;
}

async function listEvents(sluice: Sluice, stdout: Output, json?: boolean): Promise<number> {
  const { eventTypes } = await sluice.webhooks.listEventTypes({});
  if (json) {
    for (const type of eventTypes) await writeJson(stdout, toJson(EventTypeSchema, type));
    return 0;
  }
  const rows = eventTypes.map(({ name, description }) => [name, description]);
  await write(stdout, table(["EVENT", "COMES WHEN"], rows, stdout.isTTY ? stdout.columns : undefined));
  return 0;
}
