import { AuditFault, AuditFaultSchema } from "../../../gen/sluice/v1/audit_pb.ts";
import { type Attack, ownOf, type Tried } from "../attack.ts";
import type { Target } from "../target.ts";

/** Which rows of the record are touched, and how; the seals beside them stay. */
const CHANGES: Readonly<Record<string, { readonly sql: string; readonly faults: readonly AuditFault[] }>> = {
  "one changed": {
    sql: "update audit_logs set action = 'forged' where id = (select id from audit_logs order by timestamp, id offset 2 limit 1)",
    faults: [AuditFault.CHANGED],
  },
  "one removed": {
    sql: "delete from audit_logs where id = (select id from audit_logs order by timestamp, id offset 2 limit 1)",
    faults: [AuditFault.GAP, AuditFault.CHANGED],
  },
  "two exchanged": {
    sql: `with pair as (select id, action, row_number() over () as n from (select id, action from audit_logs order by timestamp, id offset 2 limit 2) p)
      update audit_logs l set user_agent = 'exchanged ' || o.action from pair p join pair o on o.n <> p.n where l.id = p.id`,
    faults: [AuditFault.CHANGED],
  },
  "the end cut off": {
    sql: "delete from audit_logs where id in (select id from audit_seals order by sequence desc limit 5)",
    faults: [AuditFault.TRUNCATED, AuditFault.GAP],
  },
};

async function verify({ admin }: Target) {
  return await admin.client.audit.verifyAuditLog({});
}

export const auditRows: Attack = {
  name: "Audit rows changed, cut, reordered",
  async run(target) {
    const { sql } = ownOf(target);
    const before = await verify(target);
    const refusedToApp = await sql`update audit_logs set action = 'forged'`.then(
      () => "changed",
      (error: Error) => error.message,
    );
    const tries: Tried[] = [
      {
        what: "as it was written (right, to compare)",
        came: `${before.checked} rows: ${before.message}`,
        held: before.ok,
      },
      { what: "a plain UPDATE", came: refusedToApp.slice(0, 60), held: refusedToApp !== "changed" },
    ];
    for (const [what, { sql: change, faults }] of Object.entries(CHANGES))
      tries.push(await tamper(target, what, change, faults));
    return tries;
  },
};

/** As somebody does it who rules the database, in a copy of the table that is put back. */
async function tamper(
  target: Target,
  what: string,
  change: string,
  faults: readonly AuditFault[],
): Promise<Tried> {
  const { sql } = ownOf(target);
  const begin = "set session_replication_role = replica";
  await sql.reserve().then(async (own) => {
    await own.unsafe(
      `${begin}; create table audit_before as select * from audit_logs; ${change}; reset session_replication_role`,
    );
    own.release();
  });
  const { ok, fault, firstBrokenSequence, message } = await verify(target);
  await sql.reserve().then(async (own) => {
    await own.unsafe(
      `${begin}; delete from audit_logs where id in (select id from audit_before); insert into audit_logs select * from audit_before; drop table audit_before; reset session_replication_role`,
    );
    own.release();
  });
  const came = ok
    ? "nothing found"
    : `${AuditFaultSchema.value[fault]?.localName} at ${firstBrokenSequence}: ${message}`;
  return { what, came, held: !ok && faults.includes(fault) };
}
