import { expect, test } from "vitest";
import { createAuditor } from "../../../src/audit/auditor.ts";
import { createAuditKey } from "../../../src/audit/checkpoint.ts";
import { createSealer } from "../../../src/audit/sealer.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";
import { createHarness, type Harness, visit } from "./doctor-harness.ts";

async function seal({ db, admin }: Harness): Promise<void> {
  const audit = createAuditor();
  await audit.recordMany(
    db.sql,
    ["test.a", "test.b", "test.c"].map((action) => ({ actor: admin, action })),
  );
  const head = { read: async () => null, note: async () => {} };
  const key = createAuditKey(Buffer.alloc(32, 7));
  await createSealer({ db, audit, key, head, logger: createLogger("silent"), now: Date.now }).sealAll();
}

test("a sound audit log is told of, one that nobody seals is warned of, and a broken one is a fault", async () => {
  await using h = await createHarness();
  await seal(h);
  const sound = await visit(h);
  expect(sound.of("audit log")).toMatchObject([
    { level: "ok", message: "the newest 3 entries are as written" },
  ]);
  const auditHead = async () => ({ sequence: 9, hash: Buffer.alloc(32), checkpoint: 1 });
  expect((await visit(h, { auditHead })).wrong).toContain("audit log: AUDIT_TRUNCATED");
  await createAuditor().record(h.db.sql, h.admin, { action: "test.d" });
  await h.db.sql`update audit_unsealed set queued_at = now() - interval '10 minutes'`;
  expect((await visit(h)).wrong).toContain("audit log: AUDIT_UNSEALED");
  await h.db.sql`update audit_unsealed set queued_at = now() + interval '10 minutes'`;
  expect((await visit(h)).wrong).toContain("audit log: AUDIT_UNSEALED");
  await h.db.sql`delete from audit_unsealed`;
  await h.db.begin(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`update audit_logs set success = false where action = 'test.b'`;
  });
  const broken = await visit(h);
  expect(broken.of("audit log")).toMatchObject([
    { level: "fault", code: "AUDIT_CHANGED", message: "Entry 2 is not as it was written" },
  ]);
});
