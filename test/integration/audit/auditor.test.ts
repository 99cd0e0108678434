import { expect, test } from "vitest";
import { createAuditor } from "../../../src/audit/auditor.ts";
import { systemActor } from "../../../src/audit/model.ts";
import { openTestDatabase } from "../auth/harness.ts";

const audit = createAuditor();
const actor = {
  userId: "01890a5d-ac96-774b-bcce-b302099a8057",
  credentialId: "session",
  requestId: "req-1",
  ipAddress: "::ffff:10.1.2.3",
  userAgent: "curl/8\r\nx: y",
};

test("an entry exists exactly when the change that it tells of was committed", async () => {
  await using db = await openTestDatabase();
  await db.begin(
    async (tx) =>
      await audit.record(tx, actor, { action: "jobs.create", resourceType: "job", resourceId: "1" }),
  );
  const undone = db.begin(async (tx) => {
    await audit.record(tx, actor, { action: "jobs.delete" });
    throw new Error("rolled back");
  });
  await expect(undone).rejects.toThrow("rolled back");
  const rows = await db.sql`select * from audit_logs`;
  expect(rows).toHaveLength(1);
  expect(rows[0]).toMatchObject({
    userId: actor.userId,
    action: "jobs.create",
    resourceType: "job",
    resourceId: "1",
    requestDetails: {},
    success: true,
    errorMessage: "",
    ipAddress: "10.1.2.3",
    userAgent: "curl/8\\u000d\\u000ax: y",
    requestId: "req-1",
    durationMs: null,
    credentialId: "session",
  });
  expect(Math.abs(rows[0]!.timestamp.getTime() - Date.now())).toBeLessThan(60_000);
});

test("no content of an entry makes its insert fail", async () => {
  await using db = await openTestDatabase();
  const hostile = "\0\ud800 \u001b[2J' or 1=1 --";
  const entry = {
    action: hostile,
    resourceId: hostile,
    details: { [hostile]: hostile, n: Number.NaN },
    errorMessage: hostile,
  };
  const nobody = {
    userId: "not-a-uuid",
    credentialId: hostile,
    requestId: hostile,
    ipAddress: hostile,
    userAgent: hostile,
  };
  await audit.record(db.sql, nobody, { ...entry, durationMs: Number.POSITIVE_INFINITY });
  await audit.record(db.sql, systemActor("test"), {
    action: "auth.bootstrap",
    success: false,
    durationMs: 1.5,
  });
  const rows = await db.sql`select user_id, success, duration_ms, ip_address from audit_logs order by id`;
  expect(rows.map((row) => ({ ...row }))).toEqual([
    { userId: null, success: true, durationMs: null, ipAddress: null },
    { userId: null, success: false, durationMs: 1.5, ipAddress: null },
  ]);
});

test("a thousand entries go in with one statement", async () => {
  await using db = await openTestDatabase();
  await audit.recordMany(
    db.sql,
    Array.from({ length: 1000 }, (_, i) => ({ actor, action: "jobs.read", resourceId: `${i}` })),
  );
  await audit.recordMany(db.sql, []);
  const [row] =
    await db.sql`select count(*)::int as count, count(distinct xmin::text)::int as statements from audit_logs`;
  expect(row).toEqual({ count: 1000, statements: 1 });
});

test("the record cannot be changed or emptied, and only retention removes from it", async () => {
  await using db = await openTestDatabase();
  await audit.record(db.sql, actor, { action: "jobs.create" });
  for (const statement of [
    "update audit_logs set action = 'x'",
    "delete from audit_logs",
    "truncate audit_logs",
  ]) {
    await expect(db.sql.unsafe(statement)).rejects.toThrow("append-only");
  }
  await db.begin(async (tx) => {
    await tx`set local sluice.audit_retention = 'on'`;
    await tx`delete from audit_logs`;
  });
  expect(await db.sql`select 1 from audit_logs`).toHaveLength(0);
});
