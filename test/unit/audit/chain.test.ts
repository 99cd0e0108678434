import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { CHAIN_START, digestOf, follow, frame, type RecordedEntry } from "../../../src/audit/chain.ts";
import { createAuditKey, isSigned, NO_ANCHOR, signCheckpoint } from "../../../src/audit/checkpoint.ts";
import { csvCell } from "../../../src/audit/csv.ts";

const ENTRY: RecordedEntry = {
  id: "01890a5d-ac96-774b-bcce-b302099a8057",
  timestamp: new Date("2026-11-29T12:00:00.123Z"),
  userId: null,
  action: "jobs.create",
  resourceType: "job",
  resourceId: "1",
  requestDetails: { b: [1, "ü"], a: { "2": null, "10": 1e21 } },
  success: true,
  errorMessage: "",
  ipAddress: "10.1.2.3",
  userAgent: "curl/8",
  requestId: "r",
  durationMs: 1.5,
  credentialId: "",
  credential: "jwt",
  method: "m",
  code: "ok",
  decision: "allowed",
  phase: "",
};

test("the hash of an entry is the one that the documentation describes, computed by hand", () => {
  const part = (text: string): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(Buffer.byteLength(text));
    return Buffer.concat([length, Buffer.from(text)]);
  };
  const nothing = Buffer.from("ffffffff", "hex");
  const bytes = Buffer.concat([
    part("sluice.audit.entry.v1"),
    part(ENTRY.id),
    part("2026-11-29T12:00:00.123Z"),
    nothing,
    ...["jobs.create", "job", "1", '{"a":{"10":1e+21,"2":null},"b":[1,"ü"]}', "true", ""].map(part),
    ...["10.1.2.3", "curl/8", "r", "1.5", "", "jwt", "m", "ok", "allowed", ""].map(part),
  ]);
  const digest = createHash("sha256").update(bytes).digest();
  expect(digestOf(ENTRY)).toEqual(digest);
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(1_795_953_600_123n);
  const first = createHash("sha256").update(Buffer.alloc(32)).update(digest).update(time).digest();
  expect(follow(CHAIN_START, { digest, timestamp: ENTRY.timestamp })).toEqual({ sequence: 1, hash: first });
});

test("a change of any field, and a value that moves to the next field, changes the hash", () => {
  const others: Record<keyof RecordedEntry, unknown> = {
    id: "01890a5d-ac96-774b-bcce-b302099a8058",
    timestamp: new Date("2026-11-29T12:00:00.124Z"),
    userId: "",
    action: "x",
    resourceType: "x",
    resourceId: "x",
    requestDetails: {},
    success: false,
    errorMessage: "x",
    ipAddress: null,
    userAgent: "x",
    requestId: "x",
    durationMs: null,
    credentialId: "x",
    credential: "x",
    method: "x",
    code: "x",
    decision: "x",
    phase: "x",
  };
  const changed = Object.entries(others).map(([name, value]) => ({ ...ENTRY, [name]: value }));
  const moved = { ...ENTRY, resourceType: "job1", resourceId: "" };
  const all = [ENTRY, ...changed, moved].map((entry) => digestOf(entry).toString("hex"));
  expect(new Set(all).size).toBe(21);
});

test("different lists of parts never have the same frame", () => {
  const list = fc.array(fc.option(fc.string({ maxLength: 3 }), { nil: null }), {
    maxLength: 5,
  });
  fc.assert(
    fc.property(list, list, (a, b) => {
      const same = JSON.stringify(a) === JSON.stringify(b);
      expect(frame(a).equals(frame(b))).toBe(same);
    }),
  );
});

test("only the key of the same master key signs a checkpoint, and a change of any field breaks the signature", () => {
  const key = createAuditKey(Buffer.alloc(32, 7));
  const unsigned = {
    number: 2,
    sequence: 10,
    hash: Buffer.alloc(32, 1),
    count: 5,
    time: new Date(0),
    anchor: NO_ANCHOR,
    previousSignature: Buffer.alloc(64, 2),
  };
  const checkpoint = signCheckpoint(key, unsigned);
  expect(isSigned(createAuditKey(Buffer.alloc(32, 7)).publicKey, checkpoint)).toBe(true);
  expect(isSigned(createAuditKey(Buffer.alloc(32, 8)).publicKey, checkpoint)).toBe(false);
  for (const change of [
    { number: 3 },
    { sequence: 11 },
    { hash: Buffer.alloc(32, 9) },
    { count: 6 },
    { time: new Date(1) },
    { anchor: { ...NO_ANCHOR, sequence: 1 } },
    { anchor: { ...NO_ANCHOR, time: new Date(0) } },
    { previousSignature: Buffer.alloc(0) },
    { signature: Buffer.alloc(0) },
  ]) {
    expect(isSigned(key.publicKey, { ...checkpoint, ...change }), JSON.stringify(change)).toBe(false);
  }
});

test("no cell of a CSV export is taken for a formula or leaves its quotes", () => {
  expect(["=1+1", "+1", "-1", "@x", "\tx", "\rx"].map(csvCell)).toEqual([
    `"'=1+1"`,
    `"'+1"`,
    `"'-1"`,
    `"'@x"`,
    `"'\tx"`,
    `"'\rx"`,
  ]);
  expect(csvCell('a "b", =c\r\n')).toBe('"a ""b"", =c\r\n"');
});
