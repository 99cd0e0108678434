import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { JobStatus } from "@sluice/sdk";
import { Redis } from "ioredis";
import { expect, test } from "vitest";
import { freePort } from "../support/ports.ts";
import { createSite, eventually, type Program, type Site } from "../support/processes.ts";
import { startTestRedis } from "../support/redis.ts";

async function serveWith(site: Site, redisUrl: string, ...args: string[]): Promise<Program> {
  const program = site.start(["serve", ...args], { REDIS_URL: redisUrl });
  await program.says("Sluice is ready at");
  return program;
}

async function stop(program: Program): Promise<void> {
  program.kill("SIGTERM");
  expect(await program.exit(), program.stderr).toBe(0);
}

async function completes(site: Site): Promise<void> {
  const client = site.client();
  const { id } = await client.jobs.submit({ text: "Water goes through the gate." });
  expect((await client.jobs.wait(id)).status).toBe(JobStatus.COMPLETED);
}

interface HealthReport {
  readonly status: string;
  readonly checks: Record<string, { status: string; error?: string }>;
}

const health = async (site: Site) => (await (await fetch(`${site.url}/health`)).json()) as HealthReport;

/** The sentences of the log, without what is said in passing. */
const warnings = (program: Program): string[] =>
  program.stderr
    .split("\n")
    .filter((line) => line.includes('"level":"warn"'))
    .map((line) => (JSON.parse(line) as { msg: string }).msg);

test("a REDIS_URL behind which there is no Redis is told in one sentence, and jobs are done from Postgres", async () => {
  const page = createServer((_, response) => response.end("a page")).listen(0, "127.0.0.1");
  const password = await startTestRedis({ args: ["--requirepass", "secret"] });
  try {
    const cases: [url: string, reason: RegExp][] = [
      [`redis://127.0.0.1:${await freePort()}`, /nothing listens at its address/],
      ["redis://no-such-host.invalid:6379", /its host name is not known/],
      [`redis://127.0.0.1:${(page.address() as AddressInfo).port}`, /no Redis/],
      [password.url, /it wants a password/],
      [password.url.replace("//", "//:wrong@"), /refuses the user name or password/],
    ];
    for (const [url, reason] of cases) {
      await using site = await createSite();
      const server = await serveWith(site, url);
      const said = warnings(server).find((line) => line.startsWith("Redis at "));
      expect(said, url).toMatch(reason);
      expect(said).toMatch(
        /Jobs are taken from PostgreSQL until it answers\. Start it, or correct REDIS_URL\.$/,
      );
      expect(said).not.toMatch(/secret|wrong/);
      await completes(site);
      const { status, checks } = await health(site);
      expect([status, checks.redis?.status]).toEqual(["degraded", "failed"]);
    }
  } finally {
    page.close();
    await password.stop();
  }
});

test("a REDIS_URL of another kind is refused at the start", async () => {
  await using site = await createSite();
  const program = site.start(["serve"], { REDIS_URL: "http://127.0.0.1:6379" });
  expect(await program.exit()).toBe(2);
  expect(program.stderr).toContain("REDIS_URL: must be redis://… or rediss://…");
});

test("a Redis that evicts keys is told at the start and in the health report", async () => {
  await using redis = await startTestRedis({ args: ["--maxmemory-policy", "volatile-lru"] });
  await using site = await createSite();
  const server = await serveWith(site, redis.url);
  await eventually(
    () => warnings(server).some((line) => line.includes("maxmemory-policy is volatile-lru")),
    "the log names the policy",
  );
  const { status, checks } = await health(site);
  expect([status, checks.redis?.error]).toEqual([
    "degraded",
    expect.stringContaining("set it to noeviction"),
  ]);
});

test("an installation with jobs waiting gets a Redis and is relieved of it again: each job completes once", async () => {
  await using redis = await startTestRedis();
  await using site = await createSite();
  const inLine = new Redis(redis.url);
  const ids: string[] = [];
  const submit = async (count: number) => {
    const client = site.client();
    for (let i = 0; i < count; i++) ids.push((await client.jobs.submit({ text: `text ${ids.length}` })).id);
    client.close();
  };
  try {
    const first = await site.serve("--no-worker");
    await submit(5);
    await stop(first);

    const second = await serveWith(site, redis.url, "--no-worker");
    await submit(5);
    const ready = async () => {
      const [key = ""] = await inLine.keys("*:ready:1");
      return key === "" ? 0 : await inLine.zcard(key);
    };
    await eventually(async () => (await ready()) === 10, "all ten stand in Redis");
    const stats = await site.run("queue", "stats");
    expect(stats.stdout).toMatch(/^Queue in redis/);
    await stop(second);

    const third = await site.serve();
    const client = site.client();
    for (const id of ids) expect((await client.jobs.wait(id)).status).toBe(JobStatus.COMPLETED);
    await stop(third);

    // Redis still holds ten ids of jobs that are done.
    await serveWith(site, redis.url);
    await submit(3);
    const again = site.client();
    for (const id of ids) expect((await again.jobs.wait(id)).status).toBe(JobStatus.COMPLETED);
    await eventually(async () => (await ready()) === 0, "old ids have left Redis");
    for (const id of ids) expect((await again.jobs.get(id)).attempt).toBe(1);
  } finally {
    inLine.disconnect();
  }
});
