import { expect, test } from "vitest";
import { createAuditor } from "../../../src/audit/auditor.ts";
import { createKeyRotation } from "../../../src/auth/key-rotation.ts";
import { createChecksWithout } from "../../../src/doctor/checks.ts";
import { examine } from "../../../src/doctor/doctor.ts";
import { textOf } from "../../../src/doctor/report.ts";
import { createSecretBox } from "../../../src/lib/secret-box.ts";
import { createPipelinesService } from "../../../src/pipelines/service.ts";
import { textRequest } from "../../support/harness.ts";
import { connect, createHarness, visit } from "./doctor-harness.ts";

const key = Buffer.alloc(32, 7);
const OTHER_KEY = Buffer.alloc(32, 8);

test("without a database there is one fault that says why, and what lies on this machine is still looked at", async () => {
  await using h = await createHarness();
  const lines: string[] = [];
  const machine = { store: () => h.store, storeFolder: null, places: [], redisUrls: null };
  const outcome = await examine(createChecksWithout(new Error("The database is away."), machine), {
    repair: false,
    deadlineMs: 10_000,
    tell: (report) => lines.push(textOf(report)),
  });
  expect(outcome).toMatchObject({ faults: 1, skipped: 0 });
  expect(lines[0]).toMatch(/^FAULT +database +The database is away\.\n +Nothing that lies in the database/);
  expect(lines[1]).toMatch(/^ok +storage /);
});

test("a database that lets nobody write is a fault", async () => {
  await using h = await createHarness();
  const [{ name }] = await h.db.sql<[{ name: string }]>`select current_database() as name`;
  await h.db.sql`alter database ${h.db.sql(name)} set default_transaction_read_only = on`;
  await using db = connect(h);
  const { of, skipped } = await visit(h, { db });
  expect(of("database")).toMatchObject([{ level: "fault", code: "DATABASE_READ_ONLY" }]);
  expect(skipped).toContain("jobs");
});

test("commits that are not waited for are a fault, wherever that was set", async () => {
  await using h = await createHarness();
  expect((await visit(h)).of("durability")).toMatchObject([{ level: "ok" }]);
  const [{ name }] = await h.db.sql<[{ name: string }]>`select current_database() as name`;
  await h.db.sql`alter database ${h.db.sql(name)} set synchronous_commit = off`;
  expect((await visit(h)).of("durability")).toMatchObject([
    { level: "fault", code: "DURABILITY_OFF", message: expect.stringContaining("synchronous_commit is off") },
  ]);
});

test("connections are counted against what the server allows", async () => {
  await using h = await createHarness();
  expect((await visit(h)).of("connections")).toMatchObject([
    { level: "ok", message: expect.stringMatching(/^\d+ of \d+ connections are used$/) },
  ]);
});

test("a clock that is ten minutes off is a warning that says which way and what it touches", async () => {
  await using h = await createHarness();
  expect((await visit(h)).of("clock")).toMatchObject([{ level: "ok" }]);
  expect((await visit(h, { now: () => Date.now() + 610_000 })).of("clock")).toMatchObject([
    { level: "warn", code: "CLOCK_OFF", message: expect.stringMatching(/is 10 min ahead of/) },
  ]);
  expect((await visit(h, { now: () => Date.now() - 610_000 })).of("clock")).toMatchObject([
    {
      level: "warn",
      message: expect.stringMatching(/is 10 min behind/),
      advice: expect.stringMatching(/leases/),
    },
  ]);
});

test("a schema that is older, newer, edited or not there is a fault, and nothing behind it is looked at", async () => {
  await using h = await createHarness();
  const { sql } = h.db;
  expect((await visit(h)).of("schema")).toMatchObject([{ level: "ok" }]);
  const [last] = await sql<{ name: string; hash: string }[]>`
    select name, hash from schema_migrations order by name desc limit 1`;
  if (!last) throw new Error("no migration has run");

  await sql`delete from schema_migrations where name = ${last.name}`;
  const older = await visit(h);
  expect(older.of("schema")).toMatchObject([
    { level: "fault", code: "SCHEMA_OLDER", advice: expect.stringContaining("`sluice migrate`") },
  ]);
  expect(older.of("schema")[0]?.message).toContain(`1 migration is missing (${last.name})`);
  expect(older.skipped).toEqual(
    expect.arrayContaining(["master key", "queue", "leases", "jobs", "leftovers"]),
  );

  await sql`insert into schema_migrations (name, hash) values (${last.name}, 'another')`;
  expect((await visit(h)).of("schema")).toMatchObject([{ level: "fault", code: "SCHEMA_EDITED" }]);
  await sql`update schema_migrations set hash = ${last.hash} where name = ${last.name}`;

  await sql`insert into schema_migrations (name, hash) values ('9999_future.sql', 'x')`;
  expect((await visit(h)).of("schema")).toMatchObject([
    { level: "fault", code: "SCHEMA_NEWER", message: expect.stringContaining("9999_future.sql") },
  ]);

  await sql`drop table schema_migrations`;
  expect((await visit(h)).of("schema")).toMatchObject([{ level: "fault", code: "SCHEMA_MISSING" }]);
  const [{ made }] = await sql<
    [{ made: boolean }]
  >`select to_regclass('schema_migrations') is not null as made`;
  expect(made).toBe(false);
});

test("a master key that is missing or another one is a fault once something is encrypted", async () => {
  await using h = await createHarness();
  const masterKey = async () => null;
  expect((await visit(h, { masterKey })).of("master key")).toMatchObject([{ level: "ok" }]);
  await createKeyRotation({ db: h.db, audit: createAuditor(), masterKey: key }).ensure();
  expect((await visit(h)).of("master key")).toMatchObject([
    { level: "ok", message: "it opens 2 signing keys" },
  ]);
  expect((await visit(h, { masterKey })).of("master key")).toMatchObject([
    { level: "fault", code: "MASTER_KEY_MISSING" },
  ]);
  expect((await visit(h, { masterKey: async () => OTHER_KEY })).of("master key")).toMatchObject([
    { level: "fault", code: "MASTER_KEY_WRONG", message: "the master key does not open 2 of 2 signing keys" },
  ]);
  const unreadable = () => Promise.reject(new Error("The file cannot be read."));
  expect((await visit(h, { masterKey: unreadable })).of("master key")).toMatchObject([
    { level: "fault", code: "MASTER_KEY_UNREADABLE", message: "The file cannot be read" },
  ]);
});

test("a waiting job whose password the master key does not open is named", async () => {
  await using h = await createHarness();
  const { job } = await h.jobs.create(h.admin, textRequest("t", { password: "open sesame" }));
  expect((await visit(h)).of("master key")).toMatchObject([
    { level: "ok", message: "it opens 0 signing keys and 1 document password" },
  ]);
  const sealed = createSecretBox(OTHER_KEY, "document passwords").seal("open sesame", job.id);
  await h.db.sql`update jobs set password = ${sealed} where id = ${job.id}`;
  expect((await visit(h)).of("master key")).toMatchObject([
    { level: "fault", code: "PASSWORD_SEALED", count: 1, ids: [job.id] },
  ]);
});

test("a pipeline whose secret the master key does not open is named, until it is deleted", async () => {
  await using h = await createHarness();
  const stages = [{ name: "extract", type: "extract", options: {}, secret: "open sesame" }];
  const request = { description: "", stages, isActive: null, requestId: "" };
  await h.pipelines.create(h.admin, { ...request, name: "mine" });
  expect((await visit(h)).of("master key")).toMatchObject([
    { level: "ok", message: "it opens 0 signing keys and the secrets of 1 pipeline" },
  ]);
  const other = createPipelinesService({
    ...h.pipelineParts,
    secrets: createSecretBox(OTHER_KEY, "pipeline secrets"),
    now: Date.now,
  });
  const { id } = await other.create(h.admin, { ...request, name: "theirs" });
  expect((await visit(h)).of("master key")).toMatchObject([
    { level: "fault", code: "PIPELINE_SEALED", count: 1, ids: [id] },
  ]);
  await h.pipelines.delete(h.admin, id, 0);
  expect((await visit(h)).of("master key")).toMatchObject([{ level: "ok" }]);
});
