import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { createAuditor } from "../../../src/audit/auditor.ts";
import { systemActor } from "../../../src/audit/model.ts";
import { createAuditPartitions } from "../../../src/audit/partitions.ts";
import { type Database, openDatabase } from "../../../src/db/sql.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";
import { createTestDatabase } from "../../support/postgres.ts";
import { openTestDatabase } from "../auth/harness.ts";

const MIGRATIONS = new URL("../../../src/db/migrations/", import.meta.url);
const logger = createLogger("silent");
const actor = systemActor("test");

const partitions = async (db: Database) =>
  (
    await db.sql<{ name: string }[]>`
      select inhrelid::regclass::text as name from pg_inherits where inhparent = 'audit_logs'::regclass order by 1`
  ).map(({ name }) => name);

const placeOf = async (db: Database, action: string) =>
  (
    await db.sql<
      { name: string }[]
    >`select tableoid::regclass::text as name from audit_logs where action = ${action}`
  ).map(({ name }) => name);

test("the entries of an older schema are kept, each in the partition of its month", async () => {
  await using database = await createTestDatabase();
  const db = openDatabase({
    ...database,
    maxConnections: 2,
    statementTimeoutMs: 30_000,
    applicationName: "test",
  });
  try {
    for (const name of (await readdir(MIGRATIONS)).sort().filter((file) => file < "0017"))
      await db.sql.unsafe(await readFile(new URL(name, MIGRATIONS), "utf8"));
    await db.sql`insert into audit_logs (id, timestamp, action, request_details, ip_address) values
      ('01890a5d-ac96-774b-bcce-b302099a8057', '2026-02-28T23:59:59.999Z', 'old.end', '{"a": 1}', '10.0.0.1'),
      ('01890a5d-ac96-774b-bcce-b302099a8058', '2026-03-01T00:00:00Z', 'old.begin', '{}', null)`;
    await db.sql.unsafe(await readFile(new URL("0017_audit_partitions.sql", MIGRATIONS), "utf8"));
    expect(await placeOf(db, "old.end")).toEqual(["audit_logs_2026_02"]);
    expect(await placeOf(db, "old.begin")).toEqual(["audit_logs_2026_03"]);
    const [row] = await db.sql`select * from audit_logs where action = 'old.end'`;
    expect(row).toMatchObject({ requestDetails: { a: 1 }, ipAddress: "10.0.0.1", method: "", decision: "" });
  } finally {
    await db.close();
  }
});

test("processes that prepare months at once make each once, and rows that came too early move to theirs", async () => {
  await using db = await openTestDatabase();
  const now = () => Date.UTC(2031, 10, 30);
  await createAuditor(now).record(db.sql, actor, { action: "too.early" });
  expect(await placeOf(db, "too.early")).toEqual(["audit_logs_default"]);
  const duties = Array.from({ length: 4 }, () => createAuditPartitions({ db, now, logger }));
  await Promise.all(duties.map((duty) => duty.start()));
  await Promise.all(duties.map((duty) => duty.stop()));
  expect((await partitions(db)).filter((name) => /203[12]/.test(name))).toEqual([
    "audit_logs_2031_11",
    "audit_logs_2031_12",
    "audit_logs_2032_01",
  ]);
  expect(await placeOf(db, "too.early")).toEqual(["audit_logs_2031_11"]);
  await createAuditor(() => Date.UTC(2032, 0, 31, 23, 59, 59)).record(db.sql, actor, { action: "in.time" });
  expect(await placeOf(db, "in.time")).toEqual(["audit_logs_2032_01"]);
});

test("no partition can be changed or emptied, addressed by itself either", async () => {
  await using db = await openTestDatabase();
  await createAuditor().record(db.sql, actor, { action: "jobs.create" });
  const names = await partitions(db);
  expect(names.length).toBeGreaterThanOrEqual(3);
  for (const name of names) {
    for (const change of [`update ${name} set action = 'x'`, `delete from ${name}`, `truncate ${name}`])
      await expect(db.sql.unsafe(change), change).rejects.toThrow("append-only");
  }
});
