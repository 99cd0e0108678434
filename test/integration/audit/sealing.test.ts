import { expect, test } from "vitest";
import { createAuditor } from "../../../src/audit/auditor.ts";
import { openTrail, type Trail } from "./trail-harness.ts";

const never = new AbortController().signal;

const numbered = async ({ db }: Trail) =>
  await db.sql<{ action: string; sequence: number }[]>`
    select l.action, s.sequence::int from audit_logs l join audit_seals s on s.id = l.id order by s.sequence`;

test("processes that seal at once give every entry one number, without gaps, in the order of time", async () => {
  await using trail = await openTrail();
  const others = await Promise.all([trail.another(), trail.another()]);
  const sealers = [trail.sealer, ...others.map(({ sealer }) => sealer)];
  for (let round = 0; round < 4; round++) {
    await trail.write(Array.from({ length: 400 }, (_, i) => `test.act${round * 400 + i}`));
    await Promise.all(sealers.map((sealer) => sealer.sealAll()));
  }
  const rows = await numbered(trail);
  expect(rows.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 1600 }, (_, i) => i + 1));
  expect(rows.map(({ action }) => action)).toEqual(Array.from({ length: 1600 }, (_, i) => `test.act${i}`));
  expect(await trail.service.verify(trail.admin, { start: 0, end: 0 }, never)).toMatchObject({
    broken: null,
    checked: 1600,
  });
});

test("an entry settles before it gets its number, and one that comes late with an old time gets a later one", async () => {
  await using trail = await openTrail();
  await trail.write(["test.young"]);
  expect(await trail.sealer.seal()).toBe(0);
  await trail.sealer.sealAll();
  await createAuditor(() => Date.now() - 86_400_000).record(trail.db.sql, trail.admin, {
    action: "test.late",
  });
  await trail.db.sql`update audit_unsealed set queued_at = now() - interval '3 seconds'`;
  expect(await trail.sealer.seal()).toBe(1);
  expect((await numbered(trail)).map(({ action }) => action)).toEqual(["test.young", "test.late"]);
  expect(await trail.service.verify(trail.admin, { start: 0, end: 0 }, never)).toMatchObject({
    broken: null,
  });
});

test("an entry that says it was written in the future gets its number all the same", async () => {
  await using trail = await openTrail();
  await trail.write(["test.future"]);
  await trail.db.sql`update audit_unsealed set queued_at = now() + interval '10 years'`;
  expect(await trail.sealer.seal()).toBe(1);
  expect((await numbered(trail)).map(({ action }) => action)).toEqual(["test.future"]);
});

test("a row that is added past the service cannot hold up the seals of those that follow", async () => {
  await using trail = await openTrail();
  await trail.write(["test.act"]);
  await trail.sealer.sealAll();
  await trail.db.sql`insert into audit_logs (id, timestamp, action)
    select id, timestamp + interval '1 ms', 'test.copy' from audit_logs`;
  await trail.write(["test.next"]);
  expect(await trail.sealer.sealAll()).toBe(2);
  expect((await trail.service.verify(trail.admin, { start: 0, end: 0 }, never)).broken).toBeNull();
  for (const [time, duration] of [
    ["infinity", 1],
    ["-infinity", 1],
    ["12000-01-01", 1],
    ["2026-11-01", "Infinity"],
    ["2026-11-01", "NaN"],
  ]) {
    const added = trail.db.sql`insert into audit_logs (id, timestamp, action, duration_ms)
      values (gen_random_uuid(), ${String(time)}::text::timestamptz, 'x', ${String(duration)}::text::float8)`;
    await expect(added, `${time} ${duration}`).rejects.toThrow("audit_logs_tellable");
  }
});

test("one process seals at a time, and the next goes on when it is gone", async () => {
  await using trail = await openTrail();
  const { sealer } = await trail.another();
  await trail.write(["test.act"]);
  await trail.db.sql`update audit_unsealed set queued_at = now() - interval '3 seconds'`;
  const crashed = trail.db.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(5105171018)`;
    expect(await sealer.seal()).toBe(0);
    throw new Error("crashed");
  });
  await expect(crashed).rejects.toThrow("crashed");
  expect(await sealer.seal()).toBe(1);
});

test("a checkpoint is signed at the first entry, after an hour with entries and after 10,000 entries", async () => {
  await using trail = await openTrail();
  const checkpoints = async () => [
    ...(await trail.db
      .sql`select number::int, sequence::int, count::int from audit_checkpoints order by number`),
  ];
  await trail.write(["test.first"]);
  await trail.sealer.sealAll();
  await trail.write(["test.second"]);
  await trail.sealer.sealAll();
  expect(await checkpoints()).toEqual([{ number: 1, sequence: 1, count: 1 }]);
  trail.advance(60 * 60_000);
  await trail.sealer.sealAll();
  await trail.db.sql`
    insert into audit_logs (id, action) select gen_random_uuid(), 'test.many' from generate_series(1, 10000)`;
  await trail.sealer.sealAll();
  trail.advance(60 * 60_000);
  await trail.sealer.sealAll();
  expect((await checkpoints()).slice(1)).toEqual([
    { number: 2, sequence: 2, count: 1 },
    { number: 3, sequence: 10_002, count: 10_000 },
  ]);
  const verdict = await trail.service.verify(trail.admin, { start: 0, end: 0 }, never);
  expect(verdict).toMatchObject({ broken: null, checked: 10_002, checkpoints: 3 });
});

test("the gauges tell how many entries wait, and for how long", async () => {
  await using trail = await openTrail();
  await trail.write(["test.a", "test.b"]);
  await trail.db.sql`update audit_unsealed set queued_at = now() - interval '90 seconds'`;
  await trail.service.refreshGauges();
  const reading = async (gauge: { get(): Promise<{ values: { value: number }[] }> }) =>
    (await gauge.get()).values[0]?.value ?? 0;
  expect(await reading(trail.metrics.auditUnsealed)).toBe(2);
  expect(await reading(trail.metrics.auditUnsealedSeconds)).toBeGreaterThanOrEqual(90);
});
