import { Redis } from "ioredis";
import { expect, test } from "vitest";
import { installationId } from "../../../src/queue/line-queries.ts";
import { openRedisLine } from "../../../src/queue/redis-line.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";
import { startTestRedis } from "../../support/redis.ts";
import { createJob } from "../jobs/steps.ts";
import { auditOfDoctor, createHarness, until, visit } from "./doctor-harness.ts";

test("waiting jobs that Redis has lost and nobody puts back are a fault, and repair puts exactly these back", async () => {
  await using redis = await startTestRedis();
  const urls = [redis.url];
  await using h = await createHarness({ redis: { urls, cluster: false, alone: true } });
  const openLine = async () =>
    await openRedisLine({
      urls,
      name: await installationId(h.db.sql),
      timeoutMs: 5_000,
      logger: createLogger("silent"),
    });
  const options = { redisUrls: urls, openLine };
  const ids = [await createJob(h), await createJob(h), await createJob(h)].sort();
  const waiting = async () => (await h.queue.depths())[1]?.waiting;
  await until(async () => (await waiting()) === 3, "all three are in Redis");
  expect((await visit(h, options)).of("redis line")).toMatchObject([{ level: "ok" }]);

  const client = new Redis(redis.url);
  await client.flushall();
  // A job that has just been created is on its way and not missing.
  await until(async () => {
    const [row] = await h.db.sql<{ old: boolean }[]>`
      select bool_and(run_time < now() - interval '200 milliseconds') as old from jobs`;
    return row?.old;
  }, "they have waited for longer than it takes to put them back");
  const found = (await visit(h, options)).of("redis line");
  expect(found).toMatchObject([{ level: "fault", code: "REDIS_MISSES_JOBS", count: 3, mendable: true }]);
  expect([...(found[0]?.ids ?? [])].sort()).toEqual(ids);

  const repaired = await visit(h, { ...options, repair: true });
  expect(repaired.mends("redis line")).toMatchObject([{ count: 3 }]);
  expect((await auditOfDoctor(h)).map(({ resourceId }) => resourceId).sort()).toEqual(ids);
  expect((await visit(h, options)).of("redis line")).toMatchObject([{ level: "ok" }]);
  expect(await waiting()).toBe(3);
  client.disconnect();
});
