import type { Patch } from "../test/support/patched-checkout.ts";

/** A server that looks at the credential of the first call only, asks for no permission and writes nothing into the audit log. */
export const WITHOUT_AUTH: readonly Patch[] = [
  {
    file: "src/rpc/gate.ts",
    sound: "await authenticate(context.requestHeader, call.peer)",
    patched:
      "((globalThis as unknown as { known?: Caller }).known ??= await authenticate(context.requestHeader, call.peer))",
  },
  { file: "src/rpc/gate.ts", sound: "if (!may(caller, rule.permission)) throw", patched: "if (false) throw" },
  { file: "src/rpc/ledger.ts", sound: "onFinished?.(", patched: "void (" },
  {
    file: "src/audit/queries.ts",
    sound: "export async function insertAuditRows(sql: Sql, rows: readonly AuditRow[]): Promise<void> {",
    patched:
      "export async function insertAuditRows(sql: Sql, rows: readonly AuditRow[]): Promise<void> {\n  return;",
  },
];
