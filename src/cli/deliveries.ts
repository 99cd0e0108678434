import { setTimeout as sleep } from "node:timers/promises";
import { toJson } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Delivery, DeliverySchema, DeliveryStatus, type Sluice } from "@sluice/sdk";
import { type Command, Option } from "commander";
import { withSluice } from "./connect.ts";
import { type CliContext, CliError, type Output } from "./context.ts";
import { idOf, instant, integer, jobId, jsonOption } from "./options.ts";
import { write, writeJson } from "./output.ts";
import { clean, counted } from "./text.ts";
import { attemptsText, deliveryLines, deliveryTable } from "./webhook-text.ts";

type Run = (action: () => Promise<number>) => Promise<void>;
interface Json {
  readonly json?: boolean;
}

const STATUSES = ["pending", "delivered", "failed", "skipped"] as const;
const MAX_PAGE = 500;
/** A first attempt has come to its end by then, unless the server is behind. */
const TEST_MS = 30_000;
const POLL_MS = 250;

/** The commands of `webhooks` about what is sent to them. */
export function registerDeliveries(webhooks: Command, context: CliContext, run: Run): void {
  const act = (action: (sluice: Sluice) => Promise<number>) => run(() => withSluice(context, action));
  const { io, programName } = context;
  const { stdout } = io;
  const webhook = idOf("webhook", `${programName} webhooks list`);
  const delivery = idOf("delivery", `${programName} webhooks deliveries`);

  webhooks
    .command("deliveries")
    .description("list deliveries of a webhook, or of all, newest first")
    .argument("[webhook]", "the webhook", webhook)
    .addOption(new Option("--status <status>", "only those in this state").choices(STATUSES))
    .option("--event <type>", "only of this type of event", "")
    .option("--job <id>", "only those about this job", jobId(programName))
    .option("--since <time>", "made at this time or later, e.g. 2026-11-01 or 2026-11-01T12:00:00Z", instant)
    .option("--until <time>", "made before this time", instant)
    .option("--limit <n>", "at most so many", integer(1, 10_000), 50)
    .addOption(jsonOption())
    .action((webhookId: string | undefined, options: ListOptions) =>
      act((sluice) => list(sluice, stdout, webhookId ?? "", options)),
    );
  webhooks
    .command("delivery")
    .description("show a delivery with its payload and every attempt")
    .argument("<id>", "the delivery", delivery)
    .addOption(jsonOption())
    .action((id: string, { json }: Json) =>
      act(async (sluice) => {
        await show(stdout, await find(sluice, id), json);
        return 0;
      }),
    );
  webhooks
    .command("redeliver")
    .description("send a delivery again, whatever became of it")
    .argument("<id>", "the delivery", delivery)
    .addOption(jsonOption())
    .action((id: string, { json }: Json) =>
      act(async (sluice) => {
        const { delivery: again } = await sluice.webhooks.redeliver({ id });
        if (json && again) await writeJson(stdout, toJson(DeliverySchema, again));
        else await write(stdout, `${id} is sent again.\n`);
        return 0;
      }),
    );
  webhooks
    .command("replay")
    .description("send the deliveries of a time again, oldest first, at most 100,000")
    .argument("<webhook>", "the webhook", webhook)
    .requiredOption("--since <time>", "made at this time or later, e.g. 2026-11-01T12:00:00Z", instant)
    .option("--until <time>", "made before this time (default: now)", instant)
    .option("--only-failed", "not those that were delivered", false)
    .addOption(jsonOption())
    .action((webhookId: string, { since, until, onlyFailed, json }: ReplayOptions) =>
      act(async (sluice) => {
        const { count } = await sluice.webhooks.replayDeliveries({
          webhookId,
          since: timestampFromDate(since),
          ...(until && { until: timestampFromDate(until) }),
          onlyFailed,
        });
        if (json) await writeJson(stdout, { count: Number(count) });
        else await write(stdout, `${counted(Number(count), "delivery is", "deliveries are")} sent again.\n`);
        return 0;
      }),
    );
  webhooks
    .command("test")
    .description("send a test event and show the first attempt; the exit code is 0 only if it was taken")
    .argument("<webhook>", "the webhook", webhook)
    .addOption(jsonOption())
    .action((webhookId: string, { json }: Json) =>
      act(async (sluice) => {
        const { delivery: sent } = await sluice.webhooks.sendTestEvent({ webhookId });
        const seen = await firstAttempt(sluice, sent?.id ?? "");
        await show(stdout, seen, json);
        if (seen.attemptCount === 0) io.stderr.write("No attempt was made so far.\n");
        return seen.status === DeliveryStatus.DELIVERED ? 0 : 1;
      }),
    );
}

interface ListOptions extends Json {
  readonly status?: (typeof STATUSES)[number];
  readonly event: string;
  readonly job?: string;
  readonly since?: Date;
  readonly until?: Date;
  readonly limit: number;
}

interface ReplayOptions extends Json {
  readonly since: Date;
  readonly until?: Date;
  readonly onlyFailed: boolean;
}

async function list(
  sluice: Sluice,
  stdout: Output,
  webhookId: string,
  { status, event: eventType, job = "", since, until, limit, json }: ListOptions,
): Promise<number> {
  const filter = {
    webhookId,
    eventType,
    jobId: job,
    ...(status && { status: DeliveryStatus[status.toUpperCase() as Uppercase<typeof status>] }),
    ...(since && { since: timestampFromDate(since) }),
    ...(until && { until: timestampFromDate(until) }),
  };
  const found: Delivery[] = [];
  for (let pageToken = ""; found.length < limit; ) {
    const pageSize = Math.min(MAX_PAGE, limit - found.length);
    const page = await sluice.webhooks.listDeliveries({ ...filter, pageSize, pageToken });
    found.push(...page.deliveries);
    pageToken = page.nextPageToken;
    if (!pageToken) break;
  }
  if (json) for (const delivery of found) await writeJson(stdout, toJson(DeliverySchema, delivery));
  else await write(stdout, deliveryTable(found, stdout.isTTY ? stdout.columns : undefined));
  return 0;
}

async function find(sluice: Sluice, id: string): Promise<Delivery> {
  const { delivery } = await sluice.webhooks.getDelivery({ id });
  if (!delivery) throw new CliError("The answer has no delivery.");
  return delivery;
}

/** The delivery once an attempt was made, or after 30 s without one. */
async function firstAttempt(sluice: Sluice, id: string): Promise<Delivery> {
  const end = performance.now() + TEST_MS;
  for (;;) {
    const delivery = await find(sluice, id);
    const isOver = delivery.attemptCount > 0 || delivery.status !== DeliveryStatus.PENDING;
    if (isOver || performance.now() > end) return delivery;
    await sleep(POLL_MS);
  }
}

async function show(stdout: Output, delivery: Delivery, json?: boolean): Promise<void> {
  if (json) {
    await writeJson(stdout, toJson(DeliverySchema, delivery));
    return;
  }
  const lines = deliveryLines(delivery).map(([name, text]) => `${name.padEnd(14)}${clean(text)}\n`);
  const attempts = attemptsText(delivery, stdout.isTTY ? stdout.columns : undefined);
  await write(stdout, lines.join("") + (attempts && `\n${attempts}`));
}
