import type { ServerResponse } from "node:http";
import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { type Delivery, DeliveryStatus, DeliveryStatusSchema } from "@sluice/sdk";
import { until } from "../../support/until.ts";
import { type Attack, ownOf, type Tried } from "../attack.ts";
import { listenAt } from "../hostile-server.ts";
import { HOSTILE_HOST, type Target } from "../target.ts";
import { endOf } from "../work.ts";

const CHUNK = Buffer.alloc(1024 * 1024, "x");
const STAGE_MS = 3_000;

/** Gives as much as is taken, up to 10 GB. */
function flood(response: ServerResponse): void {
  let left = 10_000;
  const go = (): void => {
    while (left-- > 0) if (!response.write(CHUNK)) return void response.once("drain", go);
    response.end();
  };
  go();
}

function drip(response: ServerResponse): void {
  const timer = setInterval(() => response.write("x"), 1_000);
  response.once("close", () => clearInterval(timer));
}

const ANSWERS: Readonly<Record<string, (response: ServerResponse) => void>> = {
  "a body of 10 GB": flood,
  "one byte a second": drip,
  "never an answer": () => {},
  "a body that is said to be packed": (response) =>
    response.writeHead(200, { "content-encoding": "gzip" }).end(CHUNK),
  "a redirect to itself": (response) => response.writeHead(302, { location: "/" }).end(),
  "a connection that breaks off": (response) => response.destroy(),
};

async function ends(
  target: Target,
  what: string,
  answer: (response: ServerResponse) => void,
): Promise<Tried[]> {
  await using server = await listenAt(HOSTILE_HOST, (request, response) => {
    request.resume();
    answer(response);
  });
  const timeout = durationFromMs(STAGE_MS);
  const start = (["detect", "extract"] as const).map((type) => ({
    type: { case: type, value: {} } as never,
  }));
  const asking = [...start, { type: { case: "http" as const, value: { url: `${server.url}/`, timeout } } }];
  const fetching = [
    { type: { case: "fetch" as const, value: { timeout, maxBytes: 10_000_000n } } },
    ...start,
  ];
  const name = `hostile-${server.port}`;
  const { pipelines } = target.admin.client;
  await pipelines.createPipeline({ name: `${name}-s`, config: { stages: asking } });
  await pipelines.createPipeline({ name: `${name}-d`, config: { stages: fetching } });
  const [service, source] = await Promise.all([
    endOf(target.alice, { pipelineName: `${name}-s`, source: { case: "text", value: "x" } }),
    endOf(target.alice, { pipelineName: `${name}-d`, source: { case: "uri", value: `${server.url}/` } }),
  ]);
  const ended = (end: string): boolean => /^[A-Z_]+$/.test(end);
  return [
    { what: `${what}, of a stage's service`, came: service, held: ended(service) && service !== "COMPLETED" },
    { what: `${what}, of a document's source`, came: source, held: ended(source) },
  ];
}

export const hostileServices: Attack = {
  name: "Hostile services and sources (10 GB body, 1 byte a second, never answers)",
  async run(target) {
    ownOf(target);
    return (
      await Promise.all(Object.entries(ANSWERS).map(([what, answer]) => ends(target, what, answer)))
    ).flat();
  },
};

/** Longer than an attempt takes at most. */
const ATTEMPT_MS = 16_000;
const MAX_KEPT = 16 * 1024;

/** Lets the server post a test event there, and gives the delivery after its first attempt. */
async function postTo({ alice }: Target, url: string): Promise<Delivery> {
  const { webhooks } = alice.client;
  const { webhook } = await webhooks.createWebhook({ url, events: ["webhook.test"] });
  const { delivery } = await webhooks.sendTestEvent({ webhookId: webhook?.id ?? "" });
  const seen = await until(
    async () => {
      const { delivery: now } = await webhooks.getDelivery({ id: delivery?.id ?? "" });
      return now && now.attemptCount > 0 && now;
    },
    `an attempt at ${url} is over`,
    2 * ATTEMPT_MS,
  );
  await webhooks.deleteWebhook({ id: webhook?.id ?? "" });
  return seen;
}

async function survives(
  target: Target,
  what: string,
  answer: (response: ServerResponse) => void,
): Promise<Tried> {
  await using server = await listenAt(HOSTILE_HOST, (request, response) => {
    request.resume();
    answer(response);
  });
  const { attempts, status } = await postTo(target, `${server.url}/`);
  const [first] = attempts;
  const ms = first?.duration ? durationMs(first.duration) : Number.POSITIVE_INFINITY;
  const kept = first?.responseBody.length ?? 0;
  const isFollowed = status === DeliveryStatus.DELIVERED && what.includes("redirect");
  return {
    what: `${what}, of a receiver`,
    came: `${first?.httpStatus || first?.errorClass} after ${(ms / 1000).toFixed(1)} s, ${kept} bytes kept`,
    held: ms < ATTEMPT_MS && kept <= MAX_KEPT && !isFollowed,
  };
}

export const hostileReceivers: Attack = {
  name: "Hostile webhook receivers (10 GB body, 1 byte a second, never answers)",
  async run(target) {
    ownOf(target);
    const hostile = Object.entries(ANSWERS).map(([what, answer]) => survives(target, what, answer));
    await using server = await listenAt(HOSTILE_HOST, (request, response) => {
      request.resume();
      response.writeHead(204).end();
    });
    const [good, ...rest] = await Promise.all([postTo(target, `${server.url}/`), ...hostile]);
    const isDelivered = good.status === DeliveryStatus.DELIVERED && good.attemptCount === 1;
    const came = DeliveryStatusSchema.value[good.status]?.localName ?? "";
    return [...rest, { what: "a good receiver beside them", came, held: isDelivered }];
  },
};
