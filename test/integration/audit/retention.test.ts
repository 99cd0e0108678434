import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { createAuditor } from "../../../src/audit/auditor.ts";
import { addAuditMonth } from "../../../src/audit/queries.ts";
import { createAuditRetention } from "../../../src/audit/retention.ts";
import { verifyFile } from "../../../src/audit/verify-file.ts";
import { until } from "../../support/until.ts";
import { exported, KEY, openTrail, silent, type Trail } from "./trail-harness.ts";

const never = new AbortController().signal;
const NOW = Date.UTC(2026, 10, 29);
const retentionOf = ({ db, head }: Trail, days: number | null = 365, logger = silent) =>
  createAuditRetention({
    db,
    head,
    audit: createAuditor(() => NOW),
    key: KEY,
    logger,
    now: () => NOW,
    days,
  });

/** Entries of 2025 in August, September and this month; one of August comes late. */
async function agedTrail(): Promise<Trail> {
  const trail = await openTrail();
  const write = async (action: string, ...date: [number, number, number]) =>
    await createAuditor(() => Date.UTC(...date)).record(trail.db.sql, trail.admin, { action });
  for (const month of [7, 8, 9, 10]) await addAuditMonth(trail.db.sql, new Date(Date.UTC(2025, month)));
  await write("test.august1", 2025, 7, 3);
  await write("test.august2", 2025, 7, 4);
  await write("test.september", 2025, 8, 3);
  await trail.sealer.sealAll();
  await write("test.november", 2025, 10, 30);
  await trail.sealer.sealAll();
  await write("test.late", 2025, 7, 5);
  await trail.sealer.sealAll();
  await write("test.now", 2026, 10, 28);
  return trail;
}

const actionsOf = async ({ db }: Trail) =>
  (await db.sql<{ action: string }[]>`select action from audit_logs order by timestamp, id`).map(
    (row) => row.action,
  );
const verify = ({ service, admin }: Trail) => service.verify(admin, { start: 0, end: 0 }, never);

test("months that are over go whole, and what is kept is verified from a signed checkpoint on", async () => {
  await using trail = await agedTrail();
  const retention = retentionOf(trail);
  expect(await retention.sweep()).toEqual(["audit_logs_2025_08", "audit_logs_2025_09", "audit_logs_2025_10"]);
  expect(await actionsOf(trail)).toEqual(["test.november", "test.now", "audit.retention"]);
  const [row] = await trail.db.sql`select request_details from audit_logs where action = 'audit.retention'`;
  expect(row?.requestDetails).toMatchObject({
    removed_before: "2025-11-01T00:00:00.000Z",
    removed_up_to_sequence: 3,
  });
  const [left] = await trail.db
    .sql`select min(sequence)::int as first, count(*)::int as count from audit_seals`;
  // The late one stays as a digest.
  expect(left).toEqual({ first: 4, count: 2 });
  await trail.sealer.sealAll();
  const verdict = await verify(trail);
  expect(verdict).toMatchObject({ broken: null, checked: 3, first: 4, last: 7, anchor: { sequence: 3 } });
  expect(await retention.sweep()).toEqual([]);
  const file = join(trail.folder, "audit.ndjson");
  await writeFile(file, await exported(trail.service, trail.admin));
  expect(await verifyFile(file, null)).toMatchObject({
    broken: null,
    first: 4,
    header: { anchor: { sequence: 3 } },
  });
});

test("nothing is removed before it has its place in the chain, nor where nothing is to be removed", async () => {
  await using trail = await agedTrail();
  await createAuditor(() => Date.UTC(2025, 8, 4)).record(trail.db.sql, trail.admin, {
    action: "test.unsealed",
  });
  const before = await actionsOf(trail);
  expect(await retentionOf(trail).sweep()).toEqual([]);
  await trail.sealer.sealAll();
  expect(await retentionOf(trail, null).sweep()).toEqual([]);
  expect(await retentionOf(trail, 500).sweep()).toEqual([]);
  expect(await actionsOf(trail)).toEqual(before);
  expect(await retentionOf(trail).sweep()).toHaveLength(3);
});

test("a month to which an entry is being added stays until that has its place in the chain too", async () => {
  await using trail = await agedTrail();
  const retention = retentionOf(trail);
  const waits = async () =>
    (await trail.db.sql`select from pg_locks where not granted and relation = 'audit_logs'::regclass`)
      .length > 0;
  const sweeping = await trail.db.begin(async (tx) => {
    await createAuditor(() => Date.UTC(2025, 7, 6)).record(tx, trail.admin, { action: "test.later" });
    const removed = retention.sweep();
    await until(waits, "retention waits for the entry");
    return { removed };
  });
  expect(await sweeping.removed).toEqual([]);
  expect(await actionsOf(trail)).toContain("test.later");
  await trail.sealer.sealAll();
  expect(await retention.sweep()).toHaveLength(3);
  await trail.sealer.sealAll();
  expect((await verify(trail)).broken).toBeNull();
});

test("a forged checkpoint makes retention remove no numbers of the chain", async () => {
  await using trail = await agedTrail();
  await trail.db.sql`insert into audit_checkpoints
    select number + 1, sequence, hash, 0, time, sequence, hash, now(), number + 1, signature, signature
    from audit_checkpoints order by number desc limit 1`;
  const numbers = () => trail.db.sql`select sequence from audit_seals order by sequence`;
  const before = await numbers();
  await retentionOf(trail, 500).sweep();
  expect(await numbers()).toEqual(before);
});

test("what an intruder removes is not excused by retention", async () => {
  await using trail = await agedTrail();
  await retentionOf(trail).sweep();
  await trail.sealer.sealAll();
  await trail.tamper("delete from audit_logs where action = 'test.november'");
  expect((await verify(trail)).broken).toMatchObject({ fault: "GAP", sequence: 4 });
  await trail.tamper("delete from audit_checkpoints");
  expect((await verify(trail)).broken).toMatchObject({ fault: "GAP", sequence: 1 });
});

test("an entry that is made to look as old as what retention removed is missed all the same", async () => {
  await using trail = await agedTrail();
  await retentionOf(trail).sweep();
  await trail.sealer.sealAll();
  await trail.tamper(
    "update audit_seals set timestamp = '2025-08-06' where sequence = 4",
    "delete from audit_logs where action = 'test.november'",
  );
  expect((await verify(trail)).broken).toMatchObject({ fault: "CHANGED", sequence: 4 });
  const file = join(trail.folder, "audit.ndjson");
  await writeFile(file, await exported(trail.service, trail.admin));
  expect((await verifyFile(file, null)).broken).toMatchObject({ fault: "CHANGED", sequence: 4 });
});

test("what was tampered with is kept by retention, and not signed as removed", async () => {
  const intrusions: [statements: string[], found: object][] = [
    [["update audit_logs set action = 'x' where action = 'test.august2'"], { fault: "CHANGED", sequence: 2 }],
    [["delete from audit_seals where sequence = 3"], { fault: "GAP", sequence: 3 }],
    // What is to be kept made to look old.
    [
      ["update audit_seals set timestamp = '2025-08-06' where sequence = 4"],
      { fault: "CHANGED", sequence: 4 },
    ],
  ];
  for (const [statements, found] of intrusions) {
    await using trail = await agedTrail();
    trail.advance(61 * 60_000);
    await trail.sealer.sealAll();
    await trail.tamper(...statements);
    const before = await actionsOf(trail);
    const errors = vi.fn();
    const logger = { ...silent, error: errors } as unknown as typeof silent;
    expect(await retentionOf(trail, 365, logger).sweep()).toEqual([]);
    expect(errors).toHaveBeenCalledExactlyOnceWith(expect.objectContaining(found), expect.anything());
    expect(await actionsOf(trail)).toEqual(before);
    expect((await verify(trail)).broken).toMatchObject(found);
  }
});

test("a forged checkpoint does not lend its anchor to the next one that is signed", async () => {
  await using trail = await agedTrail();
  await trail.tamper(`insert into audit_checkpoints
    select number + 1, sequence, hash, 0, time, 2, (select hash from audit_seals where sequence = 2), now(), number + 2,
      signature, signature from audit_checkpoints order by number desc limit 1`);
  trail.advance(61 * 60_000);
  await trail.sealer.sealAll();
  await trail.tamper(
    "delete from audit_checkpoints where number <= 2",
    "delete from audit_logs where id in (select id from audit_seals where sequence <= 2)",
    "delete from audit_seals where sequence <= 2",
  );
  expect((await verify(trail)).broken).toMatchObject({ fault: "GAP", sequence: 1 });
});

test("a log whose end was cut off is not aged, so that the cut stays to be seen", async () => {
  await using trail = await agedTrail();
  await trail.sealer.sealAll();
  await trail.tamper(
    "delete from audit_seals where sequence > 4",
    "delete from audit_checkpoints where sequence > 4",
  );
  expect(await retentionOf(trail).sweep()).toEqual([]);
  expect((await verify(trail)).broken).toMatchObject({ fault: "TRUNCATED", sequence: 5 });
});
