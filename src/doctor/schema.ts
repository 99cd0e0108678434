import { inspectSchema } from "../db/migrate.ts";
import type { Sql } from "../db/sql.ts";
import type { Check, Finding } from "./model.ts";
import { agree, counted } from "./words.ts";

/** Is the schema the one that this program knows? */
export function schemaCheck({ sql, program }: { sql: Sql; program: string }): Check {
  return {
    name: "schema",
    needs: ["database"],
    async run() {
      const { ran, missing, unknown, edited } = await inspectSchema(sql);
      const findings: Finding[] = [];
      if (unknown.length > 0) {
        findings.push({
          level: "fault",
          code: "SCHEMA_NEWER",
          message: `the database was migrated by a newer Sluice; this program does not know ${unknown.join(", ")}`,
          advice: "Run the doctor of that version.",
          count: unknown.length,
        });
      }
      if (edited.length > 0) {
        findings.push({
          level: "fault",
          code: "SCHEMA_EDITED",
          message: `${edited.join(", ")} ran in another form than this program carries`,
          advice: "Use the release that made this database.",
          count: edited.length,
        });
      }
      if (missing.length > 0) {
        findings.push({
          level: "fault",
          code: ran.length === 0 ? "SCHEMA_MISSING" : "SCHEMA_OLDER",
          message:
            ran.length === 0
              ? "the database has no schema of Sluice yet"
              : `the schema is older than this program: ${counted(missing.length, "migration")} ${agree(missing.length, "is", "are")} missing (${missing.join(", ")})`,
          advice: `Run \`${program} migrate\`, or start \`${program} serve\`, which does it.`,
          count: missing.length,
        });
      }
      if (findings.length > 0) return findings;
      return [{ level: "ok", code: "OK", message: `${counted(ran.length, "migration")}, up to date` }];
    },
  };
}
