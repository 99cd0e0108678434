import http from "node:http";
import { expect, test } from "vitest";
import { JobsService } from "../../../gen/sluice/v1/jobs_pb.ts";
import { SystemService } from "../../../gen/sluice/v1/system_pb.ts";
import { migrate } from "../../../src/db/migrate.ts";
import { type Database, openDatabase } from "../../../src/db/sql.ts";
import { parseRange } from "../../../src/lib/address-ranges.ts";
import { monotonicMs } from "../../../src/lib/clock.ts";
import { connectRedis } from "../../../src/redis/client.ts";
import { createRedisBuckets } from "../../../src/redis/rate-buckets.ts";
import { createRateLimits, type RateLimits } from "../../../src/rpc/rates/rate-limits.ts";
import { createPostgresRates } from "../../../src/rpc/rates/rate-queries.ts";
import { createRedisRates } from "../../../src/rpc/rates/redis-rates.ts";
import type { RateStore } from "../../../src/rpc/rates/store.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";
import { createMetrics } from "../../../src/telemetry/metrics.ts";
import { createTestDatabase } from "../../support/postgres.ts";
import { startTestRedis } from "../../support/redis.ts";
import { allClients } from "./clients.ts";
import { startEdge, until } from "./edge-harness.ts";

const logger = createLogger("silent");
const GOOD = { authorization: "Bearer good" };
const { getServerInfo } = SystemService.method;
/** Slow enough that no token comes back while a test runs. */
const SLOW = { perSecond: 0.01, burst: 20 };
const NO_STORE: RateStore = {
  settle: async (spendings) => spendings.map(() => 1_000),
  clean: async () => {},
};

function limitsOver(
  store: RateStore,
  rates: { perAddress?: typeof SLOW; perUser?: typeof SLOW },
): RateLimits {
  const { perAddress = null, perUser = null } = rates;
  const metrics = createMetrics();
  return createRateLimits({ perAddress, perUser, store, now: monotonicMs, metrics, logger, settleMs: 20 });
}

async function openMigrated() {
  const database = await createTestDatabase({
    async migrate(url) {
      const db = openDatabase({
        url,
        maxConnections: 2,
        statementTimeoutMs: 10_000,
        applicationName: "test",
      });
      await migrate(db);
      await db.close();
    },
  });
  const db: Database = openDatabase({
    url: database.url,
    maxConnections: 4,
    statementTimeoutMs: 10_000,
    applicationName: "test",
  });
  return {
    db,
    async [Symbol.asyncDispose]() {
      await db.close();
      await database.drop();
    },
  };
}

/** Spends a user's tokens at one process; another one must then refuse its next call. */
async function expectShared(stores: readonly [RateStore, RateStore]): Promise<void> {
  const [here, there] = stores.map((store) => limitsOver(store, { perUser: SLOW })) as [
    RateLimits,
    RateLimits,
  ];
  await Promise.all([here.start(), there.start()]);
  try {
    for (let i = 0; i < SLOW.burst; i++) expect(here.ofUser("u")).toBeNull();
    expect(here.ofUser("u")).toMatchObject({ reason: "RATE_LIMITED" });
    // It learns of it when it settles its own part, after a tenth of a burst.
    let admitted = 0;
    await until(() => {
      if (there.ofUser("u") !== null) return true;
      admitted++;
      return false;
    });
    expect(admitted).toBeLessThanOrEqual(SLOW.burst);
    expect(there.ofUser("another")).toBeNull();
  } finally {
    await Promise.all([here.stop(), there.stop()]);
  }
}

test("two processes share the limit of a user through Postgres", async () => {
  await using h = await openMigrated();
  const store = createPostgresRates(h.db.sql);
  await expectShared([store, store]);
  await h.db.sql`update rate_buckets set updated_at = now() - interval '2 hours'`;
  await store.clean();
  expect(await h.db.sql`select from rate_buckets`).toHaveLength(0);
});

test("two processes share the limit of a user through Redis, which forgets full buckets by itself", async () => {
  const redis = await startTestRedis();
  const client = connectRedis([redis.url], { name: "rates", cluster: false, logger });
  try {
    await until(() => client.status === "ready");
    const store = createRedisRates(createRedisBuckets(client, "test"));
    await expectShared([store, store]);
    expect(await client.pttl("{sluice:test}:rate:user:u")).toBeGreaterThan(0);
    // Debt is bounded: nobody waits longer than a minute.
    const [level] = await store.settle([{ key: "user:u", spent: 1e9 }], { perSecond: 2, burst: 20 });
    expect(level).toBe(-120);
  } finally {
    client.disconnect();
    await redis.stop();
  }
});

test("settlements of the same buckets at once lose nothing and block nobody", async () => {
  await using h = await openMigrated();
  const store = createPostgresRates(h.db.sql);
  const keys = Array.from({ length: 50 }, (_, i) => `user:${i}`);
  const rate = { perSecond: 0.001, burst: 1_000 };
  await Promise.all(
    Array.from({ length: 8 }, (_, process) => {
      const order = process % 2 ? [...keys].reverse() : keys;
      return store.settle(
        order.map((key) => ({ key, spent: 10 })),
        rate,
      );
    }),
  );
  const levels = await store.settle(
    keys.map((key) => ({ key, spent: 0 })),
    rate,
  );
  for (const level of levels) expect(level).toBeCloseTo(1_000 - 80, 0);
});

test("while the store is away each process limits by itself, and no call waits for it", async () => {
  let asked = 0;
  const limits = limitsOver(
    {
      settle: () => {
        asked++;
        return Promise.reject(new Error("away"));
      },
      clean: async () => {},
    },
    { perUser: SLOW },
  );
  await limits.start();
  for (let i = 0; i < SLOW.burst; i++) expect(limits.ofUser("u")).toBeNull();
  await until(() => asked > 2);
  expect(limits.ofUser("u")).toMatchObject({ extras: { retryAfterMs: expect.any(Number) } });
  await limits.stop();
});

test("every client is told to wait, with RetryInfo, when its user makes too many calls", async () => {
  const rates = limitsOver(NO_STORE, { perUser: { perSecond: 0.01, burst: 1 } });
  await using edge = await startEdge({ rates });
  const clients = allClients(edge.url, edge.port);
  expect((await clients[0]!.unary(getServerInfo, {}, { headers: GOOD })).error).toBeUndefined();
  for (const client of clients) {
    const { error } = await client.unary(getServerInfo, {}, { headers: GOOD });
    expect(error, client.name).toMatchObject({ code: "resource_exhausted" });
    expect(error?.details.map((detail) => detail.split(" ")[0])).toEqual([
      "google.rpc.ErrorInfo",
      "google.rpc.RetryInfo",
    ]);
    expect(Buffer.from(error!.details[0]!.split(" ")[1]!, "base64").toString()).toContain("RATE_LIMITED");
    const stream = await client.stream(JobsService.method.watchJobs, {}, () => {}, { headers: GOOD });
    expect(stream, client.name).toMatchObject({ code: "resource_exhausted" });
  }
  // Who is not let in is no user: other credentials do not count for this one, and wrong ones are told so.
  expect((await clients[0]!.unary(getServerInfo, {})).error).toMatchObject({ code: "unauthenticated" });
  for (const client of clients) client.close();
  expect(edge.seen.finished.filter(({ reason }) => reason === "RATE_LIMITED")).toHaveLength(10);
});

test("an address that makes too many requests is refused before its credential is looked at and its body is read", async () => {
  const rates = limitsOver(NO_STORE, { perAddress: { perSecond: 0.01, burst: 2 } });
  await using edge = await startEdge({ rates });
  expect((await fetch(`${edge.url}/health/live`)).status).toBe(200);
  expect((await fetch(`${edge.url}/sluice.v1.Nothing/Nothing`, { method: "POST" })).status).toBe(501);
  const request = http.request({
    port: edge.port,
    path: "/sluice.v1.JobsService/CreateJob",
    method: "POST",
    headers: { ...GOOD, "content-type": "application/json", "transfer-encoding": "chunked" },
  });
  request.on("error", () => {});
  // No byte of the body is ever sent.
  request.flushHeaders();
  const response = await new Promise<http.IncomingMessage>((resolve) => request.on("response", resolve));
  expect(response.statusCode).toBe(429);
  expect(Number(response.headers["retry-after"])).toBeGreaterThan(0);
  expect(edge.seen.authenticated).toBe(0);
  request.destroy();
  for (const path of ["/health/live", "/metrics", "/files/x", "/sluice.v1.Nothing/Nothing"]) {
    const refused = await fetch(edge.url + path, { method: path.includes("Nothing") ? "POST" : "GET" });
    expect(refused.status, path).toBe(429);
    expect(refused.headers.get("retry-after"), path).not.toBeNull();
  }
});

test("behind a trusted proxy each client has a limit and an address of its own", async () => {
  const rates = limitsOver(NO_STORE, { perAddress: { perSecond: 0.01, burst: 1 } });
  await using edge = await startEdge({ rates, trustedProxies: [parseRange("127.0.0.1")!] });
  const call = async (forwardedFor: string) => {
    const response = await fetch(`${edge.url}/sluice.v1.SystemService/GetServerInfo`, {
      method: "POST",
      headers: { ...GOOD, "content-type": "application/json", "x-forwarded-for": forwardedFor },
      body: "{}",
    });
    return response.status;
  };
  expect(await call("198.51.100.1")).toBe(200);
  expect(await call("6.6.6.6, 198.51.100.1")).toBe(429);
  expect(await call("198.51.100.2")).toBe(200);
  expect(await call("2001:db8:1:1::1")).toBe(200);
  expect(await call("2001:db8:1:1:ffff::2")).toBe(429);
  await until(() => edge.seen.finished.length === 5);
  expect(edge.seen.finished.map(({ peer }) => peer.ipAddress)).toEqual([
    "198.51.100.1",
    "198.51.100.1",
    "198.51.100.2",
    "2001:db8:1:1::1",
    "2001:db8:1:1:ffff::2",
  ]);
});
