import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createAuditor } from "../../../src/audit/auditor.ts";
import { createAuditKey, pemOf } from "../../../src/audit/checkpoint.ts";
import type { LogFilter } from "../../../src/audit/entries.ts";
import { type FileVerdict, verifyFile } from "../../../src/audit/verify-file.ts";
import { ANY, callerWith, exported, KEY, openTrail, type Trail } from "./trail-harness.ts";

/** Numbers 1 to 20, checkpoints at 1 and at 20. */
async function sealedTrail(): Promise<Trail> {
  const trail = await openTrail();
  await trail.write(["test.act1"], trail.admin, { details: { text: "ü\u2028", n: 0.1 } });
  await trail.sealer.sealAll();
  await trail.write(Array.from({ length: 19 }, (_, i) => `test.act${i + 2}`));
  trail.advance(61 * 60_000);
  await trail.sealer.sealAll();
  return trail;
}

/** Verifies a file, changed if asked for; a new export unless its text is given. */
async function check(
  { folder, service, admin }: Trail,
  change: (lines: string[]) => string[] = (lines) => lines,
  { filter = ANY, caller = admin, text = "" } = {},
): Promise<FileVerdict> {
  const whole = text || (await exported(service, caller, filter)).toString();
  const [file, keyFile] = [join(folder, "audit.ndjson"), join(folder, "key.pem")];
  const lines = change(whole.trimEnd().split("\n"));
  await writeFile(file, lines.map((line) => `${line}\n`).join(""));
  await writeFile(keyFile, pemOf(KEY.publicKey));
  return await verifyFile(file, keyFile);
}

const lineOf = (lines: string[], type: string, sequence: number): number => {
  const at = lines.findIndex(
    (line) => line.includes(`"type":"${type}"`) && line.includes(`"sequence":${sequence},`),
  );
  expect(at).toBeGreaterThan(0);
  return at;
};
const without = (type: string, sequence: number) => (lines: string[]) =>
  lines.toSpliced(lineOf(lines, type, sequence), 1);
const edited = (type: string, sequence: number, from: string | RegExp, to: string) => (lines: string[]) => {
  const at = lineOf(lines, type, sequence);
  const line = lines[at]?.replace(from, to) ?? "";
  expect(line).not.toBe(lines[at]);
  return lines.with(at, line);
};

test("an export is verified without a server, entry by entry, with its checkpoints", async () => {
  await using trail = await sealedTrail();
  expect(await check(trail)).toMatchObject({
    broken: null,
    checked: 20,
    first: 1,
    last: 20,
    checkpoints: 2,
    ownKey: false,
  });
  const own = await verifyFile(join(trail.folder, "audit.ndjson"), null);
  expect(own).toMatchObject({ broken: null, ownKey: true });
});

test("altered, removed, swapped and cut lines are each found and named", async () => {
  await using trail = await sealedTrail();
  const cases: [what: string, change: (lines: string[]) => string[], found: object][] = [
    ["altered entry", edited("entry", 7, "test.act7", "test.actX"), { fault: "CHANGED", sequence: 7 }],
    ["altered details", edited("entry", 1, "0.1", "0.2"), { fault: "CHANGED", sequence: 1 }],
    [
      "time that is none",
      edited("entry", 7, /"timestamp":"\d{4}-\d\d/, '"timestamp":"2026-13'),
      { fault: "CHANGED", sequence: 7 },
    ],
    ["removed entry", without("entry", 7), { fault: "GAP", sequence: 7 }],
    ["removed checkpoint", without("checkpoint", 1), { fault: "BAD_CHECKPOINT", sequence: 20 }],
    [
      "altered checkpoint",
      edited("checkpoint", 1, /"time":"2/, '"time":"3'),
      { fault: "BAD_CHECKPOINT", sequence: 1 },
    ],
    [
      "swapped entries",
      (lines) => {
        const [a, b] = [lineOf(lines, "entry", 7), lineOf(lines, "entry", 8)];
        return lines.with(a, lines[b]!).with(b, lines[a]!);
      },
      { fault: "GAP", sequence: 7 },
    ],
    ["cut tail", (lines) => lines.slice(0, -4), { fault: "TRUNCATED", sequence: 19 }],
    [
      "cut tail, end left",
      (lines) => [...lines.slice(0, lineOf(lines, "checkpoint", 20) - 2), lines.at(-1)!],
      { fault: "TRUNCATED", sequence: 19 },
    ],
    [
      "altered header",
      (lines) => lines.with(0, lines[0]!.replace('"filter":{}', '"filter":{"action":"x"}')),
      { fault: "CHANGED", sequence: 0 },
    ],
    [
      "forged end",
      (lines) => lines.with(-1, lines.at(-1)!.replace(/"entries":\d+/, '"entries":1')),
      { fault: "CHANGED" },
    ],
    ["line that is none", (lines) => lines.with(7, "{}"), { fault: "CHANGED" }],
    ["more behind the end", (lines) => [...lines, lines[3]!], { fault: "CHANGED" }],
  ];
  const text = (await exported(trail.service, trail.admin)).toString();
  for (const [what, change, found] of cases) {
    const { broken } = await check(trail, change, { text });
    expect(broken, what).toMatchObject(found);
    expect(broken?.message, what).toMatch(/^[A-Z].*\.$/);
  }
});

test("a file that was torn off in a line is cut off, not changed", async () => {
  await using trail = await sealedTrail();
  const whole = await exported(trail.service, trail.admin);
  const file = join(trail.folder, "torn.ndjson");
  const at = whole.indexOf("test.act7");
  await writeFile(file, whole.subarray(0, at));
  expect((await verifyFile(file, null)).broken).toMatchObject({ fault: "TRUNCATED", sequence: 7 });
  await writeFile(file, Buffer.concat([whole.subarray(0, at), Buffer.alloc(3_000_000, "a")]));
  expect((await verifyFile(file, null)).broken).toMatchObject({ fault: "CHANGED", sequence: 7 });
});

test("what was tampered with in the database is found in its export as well", async () => {
  await using trail = await sealedTrail();
  await trail.tamper("update audit_logs set action = 'x' where action = 'test.act7'");
  expect((await check(trail)).broken).toMatchObject({ fault: "CHANGED", sequence: 7 });
  await trail.tamper("delete from audit_logs where action = 'x'");
  expect((await check(trail)).broken).toMatchObject({ fault: "GAP", sequence: 7 });
});

test("another server's key fits neither checkpoints nor the end", async () => {
  await using trail = await sealedTrail();
  await check(trail);
  const keyFile = join(trail.folder, "other.pem");
  await writeFile(keyFile, pemOf(createAuditKey(Buffer.alloc(32, 8)).publicKey));
  const { broken } = await verifyFile(join(trail.folder, "audit.ndjson"), keyFile);
  expect(broken).toMatchObject({ fault: "BAD_CHECKPOINT", sequence: 1 });
});

test("an export of a time holds the chain: entries that came late and are not of it are there as digests", async () => {
  await using trail = await sealedTrail();
  const [{ timestamp: start }] = await trail.db.sql<[{ timestamp: Date }]>`
    select timestamp from audit_logs where action = 'test.act2'`;
  await createAuditor(() => Date.now() - 86_400_000).record(trail.db.sql, trail.admin, {
    action: "test.late",
  });
  await trail.sealer.sealAll();
  await trail.write(["test.last"]);
  const filter: LogFilter = { ...ANY, start };
  const verdict = await check(trail, (lines) => lines, { filter });
  expect(verdict).toMatchObject({ broken: null, header: { chain: true } });
  expect(verdict.checked).toBe(verdict.last - verdict.first);
  const text = await readFile(join(trail.folder, "audit.ndjson"), "utf8");
  expect(text).not.toContain("test.late");
  expect(text.match(/"type":"link"/g)).toHaveLength(1);
  const removed = await check(trail, (lines) => lines.filter((line) => !line.includes('"link"')), { filter });
  expect(removed.broken).toMatchObject({ fault: "GAP" });
});

test("any other export is signed as a whole: a change is found, but not which", async () => {
  await using trail = await sealedTrail();
  const own = callerWith(["audit:read"]);
  await trail.write(["test.own"], own);
  const filter: LogFilter = { ...ANY, action: "test.act7" };
  for (const of of [{ filter }, { caller: own }]) {
    const action = "filter" in of ? "test.act7" : "test.own";
    expect(await check(trail, (lines) => lines, of)).toMatchObject({
      broken: null,
      header: { chain: false },
    });
    const changed = await check(
      trail,
      (lines) => lines.map((line, at) => (at > 0 ? line.replace(action, "x") : line)),
      of,
    );
    expect(changed.broken).toMatchObject({ fault: "CHANGED", sequence: 0 });
    const cut = await check(trail, (lines) => lines.filter((line) => !line.includes('"type":"entry"')), of);
    expect(cut.broken).toMatchObject({ fault: "TRUNCATED" });
  }
});

test("a file that is no export is refused, however long its lines are", async () => {
  await using trail = await openTrail();
  const file = join(trail.folder, "x");
  for (const content of ["", "{}\n", "a".repeat(5_000_000), '{"type":"end"}\n']) {
    await writeFile(file, content);
    await expect(verifyFile(file, null)).rejects.toThrow("is no export");
  }
});
