import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { JobStatus } from "@sluice/sdk";
import postgres from "postgres";
import { expect, test } from "vitest";
import { copyCheckout } from "../support/checkout.ts";
import {
  createSite,
  eventually,
  longText,
  nobodyCanRun,
  nothingRuns,
  processesOf,
  type Site,
} from "../support/processes.ts";

/** The marks of the lines, by check: a check with two findings has two. */
function marksOf(stdout: string): Record<string, string[]> {
  const marks: Record<string, string[]> = {};
  for (const line of stdout.split("\n")) {
    const [, mark = "", check = ""] =
      /^(ok|info|warn|FAULT|mended|skipped) +(\S+(?: \S+)?) {2,}\S/.exec(line) ?? [];
    if (mark) marks[check] = [...(marks[check] ?? []), mark];
  }
  return marks;
}

async function doctor(site: Site, ...args: string[]) {
  const { code, stdout, stderr } = await site.run("doctor", ...args);
  const said = stderr.split("\n").filter((line) => line !== "" && !line.startsWith("{"));
  return { code, stdout, said, marks: marksOf(stdout) };
}

const CHECKS = [
  "database",
  "durability",
  "connections",
  "schema",
  "clock",
  "master key",
  "storage",
  "disk space",
  "workers",
  "queue",
  "concurrency keys",
  "leases",
  "jobs",
  "events",
  "results",
  "documents",
  "objects",
  "leftovers",
  "audit log",
  "quarantine",
];
const allOk = Object.fromEntries(CHECKS.map((check) => [check, ["ok"]]));

/** Lets the server run a few jobs, one with a document that lies in the store. */
async function busySite(site: Site): Promise<void> {
  const client = site.client();
  const texts = ["One.", "Two.", longText(100_000)];
  const ids = await Promise.all(texts.map(async (text) => (await client.jobs.submit({ text })).id));
  for (const id of ids) expect((await client.jobs.wait(id)).status).toBe(JobStatus.COMPLETED);
}

test("beside a healthy server every check is ok, with --repair too, and nothing is changed", async () => {
  await using site = await createSite();
  await site.serve();
  await busySite(site);
  const found = await doctor(site);
  expect({ code: found.code, said: found.said, marks: found.marks }).toEqual({
    code: 0,
    said: [],
    marks: allOk,
  });
  expect(found.stdout).toMatch(/^Nothing is wrong; 20 checks in \d+\.\d s\.$/m);
  expect(found.stdout).toMatch(/^ok +objects +1 object, all there, of every job \(3\)\.$/m);
  expect(await doctor(site, "--repair", "--all")).toMatchObject({ code: 0, marks: allOk });

  const { code, stdout } = await site.run("doctor", "--json");
  const values = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(code).toBe(0);
  expect(values.map(({ check, level }) => [check, level])).toEqual(CHECKS.map((check) => [check, "ok"]));

  const sql = postgres(site.databaseUrl(), { max: 1 });
  const rows = await sql`select action from audit_logs where user_agent = 'sluice/doctor'`;
  await sql.end();
  expect(rows).toHaveLength(0);
});

test("an ordinary user gets the same answers", async () => {
  await using checkout = nobodyCanRun() ? null : await copyCheckout({ forNobody: true });
  await using site = await createSite({ asNobody: true, ...(checkout ? { checkout: checkout.path } : {}) });
  await site.serve();
  await busySite(site);
  expect(await doctor(site)).toMatchObject({ code: 0, said: [], marks: allOk });
});

test("after the server was killed in the middle of work it says that nothing runs, and repairs beside nobody", async () => {
  await using site = await createSite({ env: { SLUICE_LEASE_MS: "1000" } });
  const server = await site.serve();
  const client = site.client();
  const { id } = await client.jobs.submit({ text: longText(1_000_000) });
  await eventually(async () => (await client.jobs.get(id)).status === JobStatus.PROCESSING, "the job runs");
  server.kill("SIGKILL");
  await server.exit();
  await nothingRuns(site.folder);

  // The lease runs out a second after the last heartbeat; the doctor gives the sweep ten more.
  let found = await doctor(site);
  await eventually(
    async () => {
      found = await doctor(site);
      return found.marks.leases?.[0] !== "ok";
    },
    "the lease has run out",
    60_000,
  );
  expect(found).toMatchObject({
    code: 0,
    said: [],
    marks: { workers: ["warn", "info"], leases: ["warn"], jobs: ["ok"] },
  });
  expect(found.stdout).toContain(id);
  expect(processesOf(site.folder)).toEqual([]);

  const repaired = await doctor(site, "--repair");
  expect(repaired).toMatchObject({ code: 0, marks: { leases: ["mended"], events: ["ok"] } });
  expect((await doctor(site)).marks).toMatchObject({ leases: ["ok"] });
  expect(processesOf(site.folder)).toEqual([]);
  await site.serve();
  expect((await site.client().jobs.wait(id)).status).toBe(JobStatus.COMPLETED);
  expect(await doctor(site)).toMatchObject({
    code: 0,
    marks: { leases: ["ok"], events: ["ok"], results: ["ok"] },
  });
});

test("without a database, without a schema, with an older one and with a broken job it says so in one sentence each, and mends nothing by itself", async () => {
  await using site = await createSite();
  const missing = await doctor(site, "--repair");
  expect(missing).toMatchObject({ code: 1, said: [], marks: { database: ["FAULT"], storage: ["ok"] } });
  expect(missing.stdout).toMatch(/^FAULT +database +No database: [^\n]*sluice serve[^\n]*\n/);
  expect(existsSync(site.dataDir)).toBe(false);

  expect((await site.run("migrate")).code).toBe(0);
  expect(await doctor(site)).toMatchObject({ code: 0, marks: { schema: ["ok"], "master key": ["ok"] } });
  expect(existsSync(join(site.dataDir, "master-key"))).toBe(false);
  expect(existsSync(join(site.dataDir, "files"))).toBe(false);

  await site.serve();
  const sql = postgres(site.databaseUrl(), { max: 1 });
  try {
    const [last] =
      await sql`delete from schema_migrations where name = (select max(name) from schema_migrations) returning *`;
    const older = await doctor(site, "--repair");
    expect(older).toMatchObject({
      code: 1,
      said: [],
      marks: { schema: ["FAULT"], jobs: ["skipped"] },
    });
    expect(older.stdout).toContain("`npx sluice migrate`");
    expect(await sql`select name from schema_migrations where name = ${last?.name}`).toHaveLength(0);
    await sql`insert into schema_migrations ${sql(last as Record<string, string>)}`;

    const { id } = await site.client().jobs.submit({ text: "One." });
    await site.client().jobs.wait(id);
    await sql`delete from job_events where job_id = ${id} and sequence = 3`;
    const broken = await doctor(site, "--repair");
    expect(broken).toMatchObject({ code: 1, said: [], marks: { events: ["FAULT"] } });
    expect(broken.stdout).toMatch(/^1 fault; 20 checks in /m);
  } finally {
    await sql.end();
  }
});

test("a database that does not answer, a Redis that is away and a lost master key are told, each with what to do", async () => {
  await using site = await createSite();
  const away = site.start(["doctor"], { DATABASE_URL: `postgres://me:tiger-lily@127.0.0.1:${site.port}/db` });
  expect(await away.exit()).toBe(1);
  expect(away.stdout).toMatch(/^FAULT +database +The database at 127\.0\.0\.1:\d+ does not let us in/);
  expect(away.stdout + away.stderr).not.toContain("tiger-lily");

  await site.serve();
  const redis = site.start(["doctor"], { REDIS_URL: `redis://:tiger-lily@127.0.0.1:${site.port + 1}` });
  expect(await redis.exit()).toBe(1);
  expect(marksOf(redis.stdout)).toEqual({ ...allOk, redis: ["FAULT"], "redis line": ["skipped"] });
  expect(redis.stdout + redis.stderr).not.toContain("tiger-lily");

  const key = join(site.dataDir, "master-key");
  renameSync(key, `${key}.away`);
  const lost = await doctor(site);
  expect(lost).toMatchObject({ code: 1, marks: { "master key": ["FAULT"] } });
  expect(existsSync(key)).toBe(false);
  const other = site.start(["doctor"], { SLUICE_MASTER_KEY: randomBytes(32).toString("base64") });
  expect(await other.exit()).toBe(1);
  expect(other.stdout).toMatch(/^FAULT +master key +the master key does not open 2 of 2 signing keys/m);
  renameSync(`${key}.away`, key);
  expect(readFileSync(key, "utf8")).not.toBe("");
  rmSync(join(site.dataDir, "files"), { recursive: true, force: true });
  expect((await doctor(site)).marks.storage).toEqual(["ok"]);
});
