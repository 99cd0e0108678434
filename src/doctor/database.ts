import type { Sql } from "../db/sql.ts";
import { messageOf } from "../lib/errors.ts";
import { type ConnectionUse, readConnections, readDurability, readServer } from "./database-queries.ts";
import type { Check, Finding } from "./model.ts";
import { agree } from "./words.ts";

/**
 * Is the database there, and may it be written? `sql` is a connection that may write; `missing` says why there is
 * none.
 */
export function databaseCheck(found: { readonly sql: Sql } | { readonly missing: unknown }): Check {
  return {
    name: "database",
    async run() {
      if ("missing" in found) {
        const message = messageOf(found.missing).replace(/\.$/, "");
        const advice = "Nothing that lies in the database could be looked at.";
        return [{ level: "fault", code: "DATABASE_MISSING", message, advice }];
      }
      const { version, readOnly } = await readServer(found.sql);
      if (!readOnly) return [{ level: "ok", code: "OK", message: `PostgreSQL ${version} answers` }];
      return [
        {
          level: "fault",
          code: "DATABASE_READ_ONLY",
          message: `PostgreSQL ${version} answers, but lets nobody write: it is a standby, or default_transaction_read_only is on`,
          advice: "Let DATABASE_URL name the primary.",
        },
      ];
    },
  };
}

const RISKS: Readonly<Record<string, string>> = {
  fsync: "a crash of the machine can lose or destroy everything in the database",
  full_page_writes: "a crash of the machine can destroy pages of the database beyond repair",
  synchronous_commit: "a crash of the database can lose jobs that were answered and results that were seen",
};

/** Does the database keep what it has committed? */
export function durabilityCheck({ sql }: { sql: Sql }): Check {
  return {
    name: "durability",
    needs: ["database"],
    run: async () => durabilityFindings(await readDurability(sql)),
  };
}

export function durabilityFindings(settings: Readonly<Record<string, string>>): Finding[] {
  const faults = Object.entries(RISKS)
    .filter(([name]) => settings[name] === "off")
    .map(
      ([name, risk]): Finding => ({
        level: "fault",
        code: "DURABILITY_OFF",
        message: `${name} is off: ${risk}`,
        advice: `Set ${name} = on in postgresql.conf, or for the role or database where it was changed, and reload.`,
      }),
    );
  if (faults.length > 0) return faults;
  return [{ level: "ok", code: "OK", message: `${Object.keys(RISKS).join(", ")} are on` }];
}

/** Fewer than this and the next process may not get in. */
const FEW_CONNECTIONS = 10;

/** Are connections left for further processes? */
export function connectionsCheck({ sql }: { sql: Sql }): Check {
  return {
    name: "connections",
    needs: ["database"],
    run: async () => connectionFindings(await readConnections(sql)),
  };
}

export function connectionFindings({ used, most }: ConnectionUse): Finding[] {
  const left = Math.max(0, most - used);
  const message = `${used} of ${most} connections are used`;
  if (left >= FEW_CONNECTIONS) return [{ level: "ok", code: "OK", message }];
  return [
    {
      level: "warn",
      code: "CONNECTIONS_FEW",
      message: `${message}, ${left} ${agree(left, "is", "are")} left`,
      advice:
        "Raise max_connections of PostgreSQL, lower SLUICE_DATABASE_CONNECTIONS, or end what else uses this server.",
      count: left,
    },
  ];
}
