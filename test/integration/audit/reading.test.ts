import { expect, test } from "vitest";
import { AuditExportFormat } from "../../../gen/sluice/v1/audit_pb.ts";
import { ANY, callerWith, exported, openTrail, startWire } from "./trail-harness.ts";

test("pages show each entry once, newest first, whatever is written meanwhile; a foreign or altered token is refused", async () => {
  await using trail = await openTrail();
  await using wire = await startWire(trail, [trail.admin, callerWith(["audit:read"])]);
  await trail.write(Array.from({ length: 7 }, (_, i) => `test.act${i}`));
  await trail.sealer.sealAll();
  const me = wire.client(0);
  const seen: string[] = [];
  let pageToken = "";
  do {
    const page = await me.listAuditLogs({ pageSize: 3, pageToken });
    seen.push(...page.auditLogs.map(({ action, sequence }) => `${action} ${sequence}`));
    pageToken = page.nextPageToken;
    await trail.write(["test.meanwhile"]);
  } while (pageToken);
  expect(seen).toEqual([6, 5, 4, 3, 2, 1, 0].map((i) => `test.act${i} ${i + 1}`));
  const { nextPageToken } = await me.listAuditLogs({ pageSize: 3 });
  const refused = /^\[invalid_argument\]/;
  await expect(me.listAuditLogs({ pageToken: `${nextPageToken}AAAA` })).rejects.toThrow(refused);
  await expect(me.listAuditLogs({ pageToken: nextPageToken, action: "test.act1" })).rejects.toThrow(refused);
  await expect(wire.client(1).listAuditLogs({ pageToken: nextPageToken })).rejects.toThrow(refused);
  await expect(me.listAuditLogs({ startTime: { seconds: 10n ** 15n } })).rejects.toThrow(refused);
});

test("every part of the filter narrows, alone and together", async () => {
  await using trail = await openTrail();
  const one = callerWith([], { ipAddress: "2001:db8::1" });
  await trail.write(["test.a"], one, { resourceType: "job", resourceId: "j1" });
  await trail.write(["test.b"], one, { resourceType: "job", resourceId: "j2", success: false });
  await trail.write(["test.c"], trail.admin, { resourceType: "user", resourceId: "j1" });
  const times = await trail.db.sql<
    { timestamp: Date }[]
  >`select timestamp from audit_logs order by timestamp, id`;
  const found = async (filter: Partial<typeof ANY>) => {
    const page = { limit: 10, after: null };
    const entries = await trail.service.list(trail.admin, { ...ANY, ...filter }, page);
    return entries.map(({ action }) => action.slice(-1)).join("");
  };
  expect(await found({})).toBe("cba");
  expect(await found({ userId: one.userId })).toBe("ba");
  expect(await found({ action: "test.b" })).toBe("b");
  expect(await found({ resourceType: "job" })).toBe("ba");
  expect(await found({ resourceId: "j1" })).toBe("ca");
  expect(await found({ resourceType: "job", resourceId: "j1" })).toBe("a");
  expect(await found({ success: false })).toBe("b");
  expect(await found({ success: true })).toBe("ca");
  expect(await found({ ipAddress: "2001:db8::1" })).toBe("ba");
  expect(await found({ action: "\0" })).toBe("");
  const last = times[2]!.timestamp;
  expect(await found({ start: last })).toContain("c");
  expect(await found({ start: new Date(last.getTime() + 1) })).toBe("");
  expect(await found({ end: new Date(last.getTime() + 1), success: false, userId: one.userId })).toBe("b");
});

test("with audit:read alone only own acts are listed and exported, and the chain is not verified", async () => {
  await using trail = await openTrail();
  const own = callerWith(["audit:read"]);
  await using wire = await startWire(trail, [own]);
  await trail.write(["test.own"], own);
  await trail.write(["test.other"]);
  const me = wire.client(0);
  const actions = async (userId = "") =>
    (await me.listAuditLogs({ userId })).auditLogs.map(({ action }) => action);
  expect(await actions()).toEqual(["test.own"]);
  expect(await actions(trail.admin.userId)).toEqual([]);
  const text = (await exported(trail.service, own)).toString();
  expect(text).toContain("test.own");
  expect(text).not.toContain("test.other");
  await expect(me.verifyAuditLog({})).rejects.toThrow(/^\[permission_denied\].*audit:read:any/);
});

test("the wire carries an entry whole, the verdict of a verification, and the key", async () => {
  await using trail = await openTrail();
  await using wire = await startWire(trail, [trail.admin]);
  await trail.write(["test.act"], trail.admin, { details: { name: "ü", n: 1.5 }, durationMs: 12.4 });
  await trail.sealer.sealAll();
  const me = wire.client(0);
  const [entry] = (await me.listAuditLogs({})).auditLogs;
  expect(entry).toMatchObject({
    userId: trail.admin.userId,
    action: "test.act",
    requestDetails: { name: "ü", n: 1.5 },
    success: true,
    ipAddress: "192.0.2.1",
    durationMs: 12n,
    sequence: 1n,
    credentialId: trail.admin.credentialId,
  });
  expect(entry?.hash).toMatch(/^[0-9a-f]{64}$/);
  expect(await me.verifyAuditLog({})).toMatchObject({
    ok: true,
    checked: 1n,
    lastSequence: 1n,
    checkpoints: 1n,
  });
  const { publicKey, fingerprint } = await me.getAuditKey({});
  expect(publicKey).toContain("BEGIN PUBLIC KEY");
  expect(fingerprint).toMatch(/^[0-9a-f]{64}$/);
});

test("an export holds every entry once, oldest first, in bounded chunks", async () => {
  await using trail = await openTrail();
  await using wire = await startWire(trail, [trail.admin]);
  await trail.db.sql`
    insert into audit_logs (id, timestamp, action, error_message)
    select gen_random_uuid(), now() - interval '1 hour' + n * interval '1 millisecond', '=test' || n, repeat('x', 3000)
    from generate_series(0, 1499) as n`;
  const chunks: Uint8Array[] = [];
  for await (const { chunk } of wire.client(0).exportAuditLogs({ format: AuditExportFormat.CSV }))
    chunks.push(chunk);
  expect(chunks.length).toBeGreaterThan(10);
  expect(Math.max(...chunks.map(({ byteLength }) => byteLength))).toBeLessThan(1024 * 1024);
  const lines = Buffer.concat(chunks).toString().trimEnd().split("\r\n");
  expect(lines[0]).toMatch(/^sequence,id,timestamp,user_id,action,/);
  const actions = lines.slice(1).map((line) => line.split('","')[4]);
  expect(actions.slice(0, 1500)).toEqual(Array.from({ length: 1500 }, (_, n) => `'=test${n}`));
});

test("an entry that borrows the id of another has no number of its own, and is told as added", async () => {
  await using trail = await openTrail();
  await trail.write(["test.a", "test.b"]);
  await trail.sealer.sealAll();
  await trail.db.begin(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`insert into audit_logs (id, timestamp, action)
      select id, timestamp + interval '1 second', 'test.forged' from audit_logs where action = 'test.a'`;
  });
  const page = { limit: 10, after: null };
  const [forged] = await trail.service.list(trail.admin, { ...ANY, action: "test.forged" }, page);
  expect(forged).toMatchObject({ action: "test.forged", sequence: null, hash: null });
  const { broken } = await trail.service.verify(
    trail.admin,
    { start: 0, end: 0 },
    new AbortController().signal,
  );
  expect(broken).toMatchObject({ fault: "ADDED" });
});
