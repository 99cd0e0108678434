import { createAuditKey } from "../audit/checkpoint.ts";
import type { KnownHead } from "../audit/head-file.ts";
import { auditBacklog, type Verdict, verifyNewest } from "../audit/verify.ts";
import type { Sql } from "../db/sql.ts";
import type { Check, Finding } from "./model.ts";
import { counted, span } from "./words.ts";

/** Servers seal within seconds; a backlog of a fast moment is worked off in less than this. */
const LAGGING_SECONDS = 300;
/** The database's clock stamps them, and does not step so far. */
const AHEAD_SECONDS = 2;

export interface AuditDeps {
  readonly sql: Sql;
  /** Null when none has been made. @throws when it cannot be read */
  readonly masterKey: () => Promise<Uint8Array | null>;
  /** The end of the chain as this machine remembers it. */
  readonly auditHead: () => Promise<KnownHead | null>;
  /** How many of the newest entries are verified. */
  readonly recent: number;
  readonly program: string;
}

/** Is the audit log as it was written, and does it get its seals? */
export function auditCheck({ sql, masterKey, auditHead, recent, program }: AuditDeps): Check {
  return {
    name: "audit log",
    needs: ["schema", "master key"],
    async run() {
      const { entries, oldestSeconds, aheadSeconds } = await auditBacklog(sql);
      const findings: Finding[] = [];
      if (oldestSeconds > LAGGING_SECONDS) {
        findings.push({
          level: "warn",
          code: "AUDIT_UNSEALED",
          message: `${counted(entries, "entry", "entries")} have no place in the chain yet, the oldest for ${span(oldestSeconds)}`,
          advice: "Servers seal them: see that one runs, and what its log says.",
          count: entries,
        });
      }
      if (aheadSeconds > AHEAD_SECONDS) {
        findings.push({
          level: "warn",
          code: "AUDIT_UNSEALED",
          message: `an entry that has no place in the chain yet says it was written ${span(aheadSeconds)} from now`,
          advice:
            "The clock of the database was set back, or somebody has changed the database past the service.",
        });
      }
      const key = await masterKey();
      if (!key) return [...findings, { level: "ok", code: "OK", message: "nothing is signed yet" }];
      const known = await auditHead();
      const deps = { sql, known, key: createAuditKey(key).publicKey };
      const verdict = await verifyNewest(deps, recent);
      if (verdict.broken) return [...findings, brokenFinding(verdict, program)];
      if (findings.length > 0) return findings;
      const message = `the newest ${counted(verdict.checked, "entry is", "entries are")} as written`;
      return [{ level: "ok", code: "OK", message }];
    },
  };
}

function brokenFinding({ broken }: Verdict, program: string): Finding {
  return {
    level: "fault",
    code: `AUDIT_${broken?.fault}`,
    message: broken?.message.replace(/\.$/, "") ?? "",
    advice: `Somebody has changed the database past the service, or it was restored from a backup; in that case stop the servers, remove \`audit-head.json\` from their data folders, and start them. \`${program} audit verify\` looks at the whole log.`,
    ...(broken?.id ? { ids: [broken.id] } : {}),
  };
}
