import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { digestOf, follow } from "../../../src/audit/chain.ts";
import { readChain, readHashAt } from "../../../src/audit/chain-queries.ts";
import type { Fault } from "../../../src/audit/verifier.ts";
import { verifyLog } from "../../../src/audit/verify.ts";
import { KEY, openTrail, type Trail } from "./trail-harness.ts";

const never = new AbortController().signal;

const verify = (trail: Trail, service = trail.service, range = { start: 0, end: 0 }) =>
  service.verify(trail.admin, range, never);

/** Twelve entries with numbers, and checkpoints at 5 and 12. */
async function sealedTrail(): Promise<Trail> {
  const trail = await openTrail();
  const write = async (from: number, to: number) =>
    await trail.write(Array.from({ length: to - from + 1 }, (_, i) => `test.act${from + i}`));
  await write(1, 5);
  await trail.sealer.sealAll();
  await write(6, 12);
  trail.advance(61 * 60_000);
  await trail.sealer.sealAll();
  return trail;
}

const at = (sequence: number) =>
  `(timestamp, id) = (select timestamp, id from audit_seals where sequence = ${sequence})`;

test("a record that nobody touched is sound, whole and in any range", async () => {
  await using trail = await sealedTrail();
  await trail.write(["test.waits"]);
  const verdict = await verify(trail);
  expect(verdict).toMatchObject({
    broken: null,
    checked: 12,
    first: 1,
    last: 12,
    checkpoints: 2,
    unsealed: 1,
  });
  expect(verdict.newestCheckpoint?.sequence).toBe(12);
  expect(await verify(trail, trail.service, { start: 4, end: 9 })).toMatchObject({
    broken: null,
    checked: 6,
    first: 4,
    last: 9,
    checkpoints: 1,
  });
  expect(await verify(trail, trail.service, { start: 50, end: 60 })).toMatchObject({
    broken: null,
    checked: 0,
  });
});

test("a gap at the end of a range is found", async () => {
  await using trail = await sealedTrail();
  await trail.tamper("delete from audit_seals where sequence = 9");
  const { broken } = await verify(trail, trail.service, { start: 4, end: 9 });
  expect(broken).toMatchObject({ fault: "GAP", sequence: 9 });
});

interface Found {
  readonly fault: Fault;
  readonly sequence: number;
  /** The entry's, if it is there to be named. */
  readonly id?: "its own" | "none";
}

/** What an intruder does who may do everything in the database. */
const TAMPERINGS: [what: string, statements: string[], found: Found][] = [
  [
    "an altered entry",
    [`update audit_logs set request_details = '{"amount": 1}' where ${at(7)}`],
    { fault: "CHANGED", sequence: 7, id: "its own" },
  ],
  [
    "an altered entry whose own seal was made to fit",
    [
      `update audit_logs set action = 'x' where ${at(7)}`,
      "update audit_seals set digest = sha256('x') where sequence = 7",
    ],
    { fault: "CHANGED", sequence: 7, id: "its own" },
  ],
  [
    "an altered time",
    [`update audit_logs set timestamp = timestamp - interval '1 hour' where ${at(7)}`],
    { fault: "CHANGED", sequence: 7, id: "its own" },
  ],
  [
    "two entries that were swapped",
    [
      `update audit_logs a set action = b.action from audit_logs b where
         (a.action = 'test.act6' and b.action = 'test.act8') or (a.action = 'test.act8' and b.action = 'test.act6')`,
    ],
    { fault: "CHANGED", sequence: 6, id: "its own" },
  ],
  [
    "two numbers that were swapped",
    [
      "update audit_seals set sequence = case sequence when 6 then -8 else -6 end where sequence in (6, 8)",
      "update audit_seals set sequence = -sequence where sequence < 0",
    ],
    { fault: "CHANGED", sequence: 6 },
  ],
  [
    "an entry that was removed",
    [`delete from audit_logs where ${at(7)}`],
    { fault: "GAP", sequence: 7, id: "its own" },
  ],
  [
    "a seal that was removed",
    ["delete from audit_seals where sequence = 7"],
    { fault: "GAP", sequence: 7, id: "none" },
  ],
  [
    "an entry that was removed with its seal",
    [`delete from audit_logs where ${at(7)}`, "delete from audit_seals where sequence = 7"],
    { fault: "GAP", sequence: 7, id: "none" },
  ],
  [
    "a tail that was cut off, seals left",
    [
      `delete from audit_logs where timestamp >= (select timestamp from audit_seals where sequence = 10)
        and id >= (select id from audit_seals where sequence = 10)`,
    ],
    { fault: "TRUNCATED", sequence: 10, id: "its own" },
  ],
  [
    "a tail that was cut off with its seals",
    [
      "delete from audit_logs where id in (select id from audit_seals where sequence >= 10)",
      "delete from audit_seals where sequence >= 10",
    ],
    { fault: "TRUNCATED", sequence: 10, id: "none" },
  ],
  [
    "a tail that was cut off with its seals and checkpoints",
    [
      "delete from audit_logs where id in (select id from audit_seals where sequence >= 10)",
      "delete from audit_seals where sequence >= 10",
      "delete from audit_checkpoints where sequence >= 10",
    ],
    { fault: "TRUNCATED", sequence: 10, id: "none" },
  ],
  [
    "a checkpoint that was altered",
    ["update audit_checkpoints set time = time + interval '1 day' where number = 1"],
    { fault: "BAD_CHECKPOINT", sequence: 5 },
  ],
  [
    "a checkpoint that was removed",
    ["delete from audit_checkpoints where number = 1"],
    { fault: "BAD_CHECKPOINT", sequence: 12 },
  ],
  [
    "the last checkpoint removed",
    ["delete from audit_checkpoints where number = 2"],
    { fault: "BAD_CHECKPOINT", sequence: 12 },
  ],
  [
    "an entry that was added past the service",
    ["insert into audit_logs (id, action) values ('01890a5d-ac96-774b-bcce-b302099a8057', 'x')"],
    { fault: "ADDED", sequence: 0 },
  ],
];

test("altered, removed, swapped, cut and added entries, seals and checkpoints are each found and named", async () => {
  await using trail = await sealedTrail();
  const known = await trail.head.read();
  for (const [what, statements, { id, ...found }] of TAMPERINGS) {
    const undone = trail.db.begin(async (tx) => {
      const [own] = await tx<{ id: string }[]>`select id from audit_seals where sequence = ${found.sequence}`;
      await tx`set local session_replication_role = replica`;
      for (const statement of statements) await tx.unsafe(statement);
      const { broken } = await verifyLog({ sql: tx, key: KEY.publicKey, known }, { start: 0, end: 0 });
      expect(broken, what).toMatchObject(found);
      if (id) expect(broken?.id, what).toBe(id === "none" ? "" : own?.id);
      expect(broken?.message, what).toMatch(/^[A-Z].*\.$/);
      if (found.sequence > 0) expect(broken?.message, what).toContain(String(found.sequence));
      throw new Error("undone");
    });
    await expect(undone).rejects.toThrow("undone");
  }
  expect(await verify(trail)).toMatchObject({ broken: null, checked: 12 });
});

test("a chain that was computed anew after a change does not lead to the signed checkpoint", async () => {
  await using trail = await sealedTrail();
  await trail.tamper(`update audit_logs set action = 'x' where ${at(7)}`);
  // As one does who knows how it is computed, and has no key.
  let point = { sequence: 6, hash: (await readHashAt(trail.db.sql, 6)) as Buffer };
  for (const row of await readChain(trail.db.sql, { after: 6, to: 12, limit: 100 })) {
    const digest = digestOf(row.entry!);
    point = follow(point, { digest, timestamp: row.timestamp });
    await trail.tamper(
      `update audit_seals set digest = '\\x${digest.toString("hex")}', hash = '\\x${point.hash.toString("hex")}' where sequence = ${point.sequence}`,
    );
  }
  const { broken } = await verify(trail, (await trail.another()).service);
  expect(broken).toMatchObject({ fault: "CHANGED", sequence: 12 });
  expect(broken?.message).toContain("after entry 5");
});

test("a cut tail stays to be seen as a gap when the log goes on, on every server that saw it", async () => {
  await using trail = await sealedTrail();
  const other = await trail.another();
  await other.sealer.seal();
  await trail.tamper(
    "delete from audit_logs where id in (select id from audit_seals where sequence >= 10)",
    "delete from audit_seals where sequence >= 10",
    "delete from audit_checkpoints where sequence >= 10",
  );
  expect((await verify(trail, other.service)).broken).toMatchObject({ fault: "TRUNCATED", sequence: 10 });
  await trail.write(["test.later"]);
  await other.sealer.sealAll();
  const { broken } = await verify(trail, other.service);
  expect(broken).toMatchObject({ fault: "GAP", sequence: 10 });
  expect(broken?.message).toContain("10 to 12");
});

test("without the file in the data folder the newest checkpoint tells of a cut tail", async () => {
  await using trail = await sealedTrail();
  await rm(join(trail.folder, "audit-head.json"));
  await trail.tamper(
    "delete from audit_logs where id in (select id from audit_seals where sequence >= 10)",
    "delete from audit_seals where sequence >= 10",
  );
  const { broken } = await verify(trail, (await trail.another()).service);
  expect(broken).toMatchObject({ fault: "TRUNCATED", sequence: 10 });
});

test("an entry that is removed before it has a number leaves an entry that says so", async () => {
  await using trail = await openTrail();
  await trail.write(["test.gone", "test.stays"]);
  await trail.tamper("delete from audit_logs where action = 'test.gone'");
  await trail.sealer.sealAll();
  await trail.sealer.sealAll();
  const rows = await trail.db.sql`select action, success from audit_logs order by timestamp, id`;
  expect(rows.map((row) => ({ ...row }))).toContainEqual({ action: "audit.entry_missing", success: false });
  expect(await verify(trail)).toMatchObject({ broken: null, checked: 2 });
});

test("seals and checkpoints cannot be changed or removed", async () => {
  await using trail = await sealedTrail();
  for (const table of ["audit_seals", "audit_checkpoints"]) {
    await expect(trail.db.sql.unsafe(`update ${table} set hash = ''`)).rejects.toThrow("append-only");
    await expect(trail.db.sql.unsafe(`delete from ${table}`)).rejects.toThrow("append-only");
    await expect(trail.db.sql.unsafe(`truncate ${table}`)).rejects.toThrow("append-only");
  }
});
