import { JobStatus } from "@sluice/sdk";
import postgres from "postgres";
import { expect, test } from "vitest";
import { createTestDatabase } from "../support/postgres.ts";
import { createSite, documentProcessesOf, longText, processesOf, type Site } from "../support/processes.ts";

/** What is meant for people: everything but the log. */
const saidIn = (stderr: string): string[] =>
  stderr.split("\n").filter((line) => line !== "" && !line.startsWith("{"));

/** The programs that use a schema and do not make it. */
const USERS = [["serve", "--no-migrate"], ["worker"], ["admin", "create-user", "a@example.org"]];

async function inDatabase<T>(url: string, work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    return await work(sql);
  } finally {
    await sql.end();
  }
}

/** Runs each of the programs to its end: exit code 1, one sentence, and nothing of it stays behind. */
async function expectRefusals(site: Site, programs: readonly string[][], sentence: string): Promise<void> {
  for (const args of programs) {
    const { code, stderr } = await site.run(...args);
    expect({ args, code, said: saidIn(stderr) }).toEqual({ args, code: 1, said: [sentence] });
  }
  expect(processesOf(site.folder)).toEqual([]);
}

test("a schema that is older than the program is refused in one sentence, until it is migrated", async () => {
  await using database = await createTestDatabase();
  await using site = await createSite({ env: { DATABASE_URL: database.url } });
  await expectRefusals(site, USERS, "The database has no schema of Sluice yet: run `sluice migrate` first.");
  expect((await site.run("migrate")).code).toBe(0);
  const newest = await inDatabase(database.url, async (sql) => {
    const [row] = await sql<{ name: string }[]>`
      select name from schema_migrations order by name desc limit 1`;
    await sql`delete from schema_migrations where name = ${row?.name ?? ""}`;
    return row?.name;
  });
  await expectRefusals(
    site,
    USERS,
    `The schema of the database is older than this program, which misses ${newest}: run \`sluice migrate\` first.`,
  );
});

test("a schema that is newer than the program is refused in one sentence, also by what would migrate it", async () => {
  await using database = await createTestDatabase();
  await using site = await createSite({ env: { DATABASE_URL: database.url } });
  await site.run("migrate");
  await inDatabase(
    database.url,
    (sql) => sql`insert into schema_migrations (name, hash) values ('9999_future.sql', 'x')`,
  );
  await expectRefusals(
    site,
    [...USERS, ["serve"], ["migrate"]],
    "The schema of the database is newer than this program, which does not know 9999_future.sql: run the version of Sluice that made it, or restore a backup.",
  );
});

test("a schema that becomes newer under running programs holds up none of their work; they just cannot start on it", async () => {
  await using database = await createTestDatabase();
  await using site = await createSite({
    env: { DATABASE_URL: database.url, SLUICE_LEASE_MS: "3000", SLUICE_WORKER_CONCURRENCY: "1" },
  });
  await site.serve("--no-worker");
  const worker = await site.worker();
  const client = site.client();
  // Every statement has been prepared, as the plans of running programs are.
  await client.jobs.wait((await client.jobs.submit({ text: "Before." })).id);
  const { id } = await client.jobs.submit({ text: longText(600_000) });
  for await (const { event } of client.jobs.watch(id)) {
    if (event.case === "stageStarted" && event.value.name === "enrich") break;
  }
  const documents = documentProcessesOf(worker.pid);
  for (const pid of documents) process.kill(pid, "SIGSTOP");
  // What the next version may do before the last process of this one has ended: add, and loosen.
  await inDatabase(database.url, (sql) =>
    sql.unsafe(`
      alter table jobs add column future_text text, add column future_count int not null default 7;
      alter table job_events add column future text not null default '';
      alter table job_stages add column future int;
      alter table job_results add column future jsonb;
      alter table documents add column future bytea;
      alter table workers add column future boolean not null default true, alter column version drop not null;
      create table future (id uuid primary key, job_id uuid references jobs (id) on delete cascade);
      create index jobs_by_future on jobs (future_count, id);
      insert into schema_migrations (name, hash) values ('9999_future.sql', 'x');`),
  );
  for (const pid of documents) process.kill(pid, "SIGCONT");

  const running = await client.jobs.wait(id);
  expect({ status: running.status, attempt: running.attempt }).toEqual({
    status: JobStatus.COMPLETED,
    attempt: 1,
  });
  const made = await Promise.all(
    Array.from({ length: 10 }, (_, i) => client.jobs.submit({ text: `After ${i}.` })),
  );
  for (const job of made) expect((await client.jobs.wait(job.id)).status).toBe(JobStatus.COMPLETED);
  expect((await client.jobs.result(made[0]?.id ?? "")).extractedText).toBe("After 0.");
  const cancelled = await client.jobs.submit({ text: longText(600_000) });
  await client.jobs.cancelJob({ id: cancelled.id });
  expect((await client.jobs.wait(cancelled.id)).status).toBe(JobStatus.CANCELLED);
  const { workers } = await client.system.listWorkers({});
  expect(workers.map(({ isAlive }) => isAlive)).toEqual([true]);

  const second = await site.run("worker");
  expect({ code: second.code, said: saidIn(second.stderr) }).toEqual({
    code: 1,
    said: [
      expect.stringMatching(/^The schema of the database is newer than this program, .*9999_future\.sql/),
    ],
  });
  expect(worker.code).toBeNull();
});
