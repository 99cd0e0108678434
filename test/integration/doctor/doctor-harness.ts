/** The doctor on the parts of a harness, and what it says. */
import { createAuditor } from "../../../src/audit/auditor.ts";
import { type Database, openDatabase } from "../../../src/db/sql.ts";
import { createChecks, type InstallationDeps } from "../../../src/doctor/checks.ts";
import { examine } from "../../../src/doctor/doctor.ts";
import type { Finding, Mend, Outcome } from "../../../src/doctor/model.ts";
import { createHarness, type Harness, until } from "../../support/harness.ts";

export { createHarness, type Harness, until };

export interface Visit {
  readonly outcome: Outcome;
  /** What one check has found. */
  of(check: string): readonly Finding[];
  mends(check: string): readonly Mend[];
  /** Everything that is worse than `info`, as `check: CODE`. */
  readonly wrong: readonly string[];
  readonly skipped: readonly string[];
}

/** One sweep interval of the doctor's, so short that a test need not wait for it. */
const SWEEP_MS = 20;

export async function visit(
  h: Harness,
  options: Partial<InstallationDeps> & { repair?: boolean } = {},
): Promise<Visit> {
  const { repair = false, ...changes } = options;
  const checks = createChecks({
    db: h.db,
    store: () => h.store,
    storeFolder: null,
    places: [],
    redisUrls: null,
    audit: createAuditor(),
    openLine: null,
    masterKey: async () => Buffer.alloc(32, 7),
    auditHead: async () => null,
    sweep: () => h.leases.sweep(),
    sweepMs: SWEEP_MS,
    leaseMs: 30_000,
    version: "test",
    program: "sluice",
    now: Date.now,
    all: false,
    recentJobs: 10_000,
    ...changes,
  });
  const findings = new Map<string, readonly Finding[]>();
  const mends = new Map<string, readonly Mend[]>();
  const skipped: string[] = [];
  const outcome = await examine(checks, {
    repair,
    deadlineMs: 30_000,
    tell(report) {
      if ("skipped" in report) {
        skipped.push(report.check);
        return;
      }
      findings.set(report.check, report.findings);
      mends.set(report.check, report.mends);
    },
  });
  return {
    outcome,
    skipped,
    of: (check) => findings.get(check) ?? [],
    mends: (check) => mends.get(check) ?? [],
    wrong: [...findings].flatMap(([check, all]) =>
      all.filter(({ level }) => level === "warn" || level === "fault").map(({ code }) => `${check}: ${code}`),
    ),
  };
}

/** Connections of their own to the database of the harness. */
export function connect(h: Harness, applicationName = "sluice-doctor"): Database & AsyncDisposable {
  const db = openDatabase({
    url: h.databaseUrl,
    maxConnections: 2,
    statementTimeoutMs: 30_000,
    applicationName,
  });
  return { ...db, [Symbol.asyncDispose]: () => db.close() };
}

/** A connection as a server has it, until it is disposed; `forMs` is how long it has been there at least. */
export async function connectedServer(h: Harness, forMs = 10 * SWEEP_MS): Promise<AsyncDisposable> {
  const db = connect(h, "sluice-server");
  await db.ping(10_000);
  // As if it went on to compare the queue with the jobs.
  await db.sql`update queue_state set reconciled_at = now() + interval '1 hour'`;
  await until(async () => {
    const [row] = await h.db.sql<{ up: boolean }[]>`
      select now() - min(backend_start) > ${forMs}::int * interval '1 millisecond' as up
      from pg_stat_activity where datname = current_database() and application_name like 'sluice-server:%'`;
    return row?.up;
  }, "the server has been connected for long enough");
  return db;
}

/** An entry in the table of workers. */
export const workerFacts = (
  id: string,
  changes: { version?: string; concurrency?: number; running?: number } = {},
) => ({
  id,
  host: "h",
  version: "test",
  pid: 1,
  concurrency: 2,
  running: 0,
  draining: false,
  ...changes,
});

/** The actions that the doctor has left in the audit, by what they touched. */
export async function auditOfDoctor(h: Harness): Promise<{ action: string; resourceId: string }[]> {
  return [
    ...(await h.db.sql<{ action: string; resourceId: string }[]>`
      select action, resource_id from audit_logs where user_agent = 'sluice/doctor' order by action, resource_id`),
  ];
}
