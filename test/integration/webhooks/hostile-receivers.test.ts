import { createServer, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { createEgress } from "../../../src/egress/egress.ts";
import { parsePlaces } from "../../../src/lib/address-ranges.ts";
import { signingKey } from "../../../src/lib/standard-webhooks.ts";
import { type Outcome, post } from "../../../src/webhooks/post.ts";
import { selfSigned } from "../../support/self-signed.ts";
import { until } from "../../support/until.ts";
import { createJob } from "../jobs/steps.ts";
import { createWebhookHarness, settings, startReceiver } from "./webhook-harness.ts";

const CHUNK = Buffer.alloc(1024 * 1024, "x");

async function listen(answer: (response: ServerResponse) => void): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    response.on("error", () => {});
    answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

/** As much as is taken, up to 10 GB. */
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

const ANSWERS: Record<string, { answer: (response: ServerResponse) => void; expected: Partial<Outcome> }> = {
  "never answers": { answer: () => {}, expected: { errorClass: "timeout", httpStatus: 0 } },
  "one byte a second, of a success": {
    answer: (response) => drip(response.writeHead(200)),
    expected: { succeeded: true, httpStatus: 200 },
  },
  "one byte a second, of a failure": {
    answer: (response) => drip(response.writeHead(500)),
    expected: { errorClass: "http", httpStatus: 500 },
  },
  "10 GB": { answer: flood, expected: { succeeded: true, httpStatus: 200 } },
  "what would be unpacked": {
    answer: (response) =>
      response.writeHead(200, { "content-encoding": "gzip" }).end(Buffer.from("not gzip")),
    expected: { succeeded: true, response: Buffer.from("not gzip") },
  },
  "100 KB of headers": {
    answer: (response) => {
      for (let i = 0; i < 100; i++) response.setHeader(`x-${i}`, "y".repeat(1_000));
      response.end();
    },
    expected: { succeeded: false, errorClass: "protocol" },
  },
  "a redirect inside": {
    answer: (response) => response.writeHead(307, { location: "http://169.254.169.254/" }).end(),
    expected: { succeeded: false, errorClass: "http", httpStatus: 307 },
  },
  "breaks off in the middle of the body": {
    answer: (response) => {
      response.writeHead(500, { "content-length": "1000" }).write("half");
      setImmediate(() => response.destroy());
    },
    expected: { errorClass: "http", httpStatus: 500 },
  },
  "breaks off before the answer": {
    answer: (response) => void response.destroy(),
    expected: { succeeded: false, errorClass: "connect" },
  },
  "no HTTP at all": {
    answer: (response) => void response.socket?.end("hello\r\n\r\n"),
    expected: { succeeded: false, errorClass: "protocol" },
  },
};

test("whatever an endpoint does, an attempt ends within 15 s, keeps 16 KiB at most, and says what was wrong", async () => {
  const egress = createEgress({
    policy: { ...parsePlaces(["127.0.0.0/8"]), allowHttp: false },
    own: () => [],
  });
  onTestFinished(() => egress.close());
  const deps = { egress, now: Date.now, stop: new AbortController().signal };
  const message = { headers: {}, keys: [signingKey("whsec_c2VjcmV0")], id: "1", body: "{}" };
  const before = process.memoryUsage().rss;
  const outcomes = await Promise.all(
    Object.entries(ANSWERS).map(async ([name, { answer, expected }]) => {
      const outcome = await post({ ...message, url: await listen(answer) }, deps);
      return { name, outcome, expected };
    }),
  );
  for (const { name, outcome, expected } of outcomes) {
    expect({ name, ...outcome }).toMatchObject({ name, ...expected });
    expect(outcome.response.byteLength).toBeLessThanOrEqual(16 * 1024);
    expect(outcome.durationMs).toBeLessThan(16_000);
    expect(outcome.succeeded || /[a-z]/.test(outcome.errorMessage)).toBe(true);
  }
  expect(outcomes.find(({ name }) => name === "10 GB")?.outcome.response.byteLength).toBe(16 * 1024);
  expect((process.memoryUsage().rss - before) / 1024 / 1024).toBeLessThan(100);
});

test("a certificate that nobody vouches for, a name that flips to a private address, and a port where nobody is are told apart", async () => {
  const { cert, key } = selfSigned();
  const tls = createTlsServer({ cert, key }, (_, response) => void response.end());
  await new Promise<void>((resolve) => tls.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void tls.close());
  const addresses = [["93.184.215.14"], ["127.0.0.1"]];
  const flipping = createEgress({
    policy: { ...parsePlaces([]), allowHttp: false },
    own: () => [],
    resolve: async () => addresses.shift() ?? ["10.0.0.1"],
  });
  const inside = createEgress({
    policy: { ...parsePlaces(["127.0.0.0/8"]), allowHttp: false },
    own: () => [],
  });
  onTestFinished(async () => {
    await Promise.all([flipping.close(), inside.close()]);
  });
  const to = async (egress: typeof inside, url: string): Promise<string> => {
    const message = { url, headers: {}, keys: [], id: "1", body: "{}" };
    const outcome = await post(message, { egress, now: Date.now, stop: AbortSignal.timeout(5_000) });
    return outcome.errorClass;
  };
  expect(await to(inside, `https://127.0.0.1:${(tls.address() as AddressInfo).port}/`)).toBe("tls");
  expect(await to(inside, "http://127.0.0.1:1/")).toBe("connect");
  // What it was when the webhook was made does not count.
  addresses.shift();
  expect(await to(flipping, "https://example.org/")).toBe("egress_denied");
});

test("an endpoint that hangs with many deliveries waiting holds up neither another's nor its owner's other endpoint", async () => {
  await using w = await createWebhookHarness();
  const hanging = await startReceiver();
  hanging.handle(() => {});
  const good = await startReceiver();
  const stranger = w.h.caller(["webhooks:create", "jobs:create"]);
  const { webhook } = await w.webhooks.create(stranger, {
    ...settings(hanging.url),
    events: ["job.created"],
  });
  await w.h.db.sql`
    insert into webhook_deliveries (id, subscription_id, user_id, event_type, payload, status, next_attempt_at)
    select new_uuid(), ${webhook.id}, ${stranger.userId}, 'job.created', '{}', 'PENDING', now() from generate_series(1, 10000)`;
  await w.webhooks.create(stranger, { ...settings(good.url), events: ["job.created"] });
  await w.webhooks.create(w.h.admin, { ...settings(good.url), events: ["job.created"] });
  await w.startDispatcher();
  await until(async () => hanging.received.length === 4, "all its places are taken");
  await createJob(w.h);
  await createJob(w.h, stranger);
  await until(async () => good.received.length === 2, "the good ones are served meanwhile");
  expect(hanging.received).toHaveLength(4);
});

test("an owner whose hundred endpoints all hang holds up nobody else", async () => {
  await using w = await createWebhookHarness();
  const hanging = await startReceiver();
  hanging.handle(() => {});
  const good = await startReceiver();
  const crowd = w.h.caller(["webhooks:create", "jobs:create"]);
  for (let i = 0; i < 100; i++)
    await w.webhooks.create(crowd, { ...settings(hanging.url), events: ["job.created"] });
  await w.webhooks.create(w.h.admin, { ...settings(good.url), events: ["job.created"] });
  for (let i = 0; i < 4; i++) await createJob(w.h, crowd);
  await w.startDispatcher();
  await until(async () => hanging.received.length === 32, "a quarter of all places is taken");
  await createJob(w.h);
  await until(async () => good.received.length === 1, "the other owner is served meanwhile");
  expect(hanging.received).toHaveLength(32);
  const [held] = await w.h.db.sql<[{ count: number }]>`
    select count(*)::int as count from webhook_endpoints where user_id = ${crowd.userId} and held_until > now()`;
  expect(held.count).toBe(32);
});
