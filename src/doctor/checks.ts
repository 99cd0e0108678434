import type { Auditor } from "../audit/auditor.ts";
import type { KnownHead } from "../audit/head-file.ts";
import type { Database } from "../db/sql.ts";
import type { RedisLine } from "../queue/redis-line.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { auditCheck } from "./audit.ts";
import { clockCheck } from "./clock.ts";
import { connectionsCheck, databaseCheck, durabilityCheck } from "./database.ts";
import { eventsCheck } from "./events.ts";
import { jobsCheck } from "./jobs.ts";
import { leasesCheck } from "./leases.ts";
import { leftoversCheck } from "./leftovers.ts";
import { lineCheck } from "./line.ts";
import { createMender } from "./mender.ts";
import type { Check } from "./model.ts";
import { objectsCheck } from "./objects.ts";
import { quarantineCheck } from "./quarantine.ts";
import { concurrencyCheck, queueCheck } from "./queue.ts";
import { redisCheck } from "./redis.ts";
import { documentsCheck, resultsCheck } from "./results.ts";
import { schemaCheck } from "./schema.ts";
import { createJobScope } from "./scope.ts";
import { secretsCheck } from "./secrets.ts";
import { type Place, spaceCheck, storageCheck } from "./storage.ts";
import { createSweeper, type SweptJob } from "./sweeper.ts";
import { workersCheck } from "./workers.ts";

/** What can be looked at without the database. */
export interface MachineDeps {
  /** @throws when SLUICE_STORAGE_URL names a store that this program does not know */
  readonly store: () => ObjectStore;
  /** Where its objects lie on this machine; null when that is not known. */
  readonly storeFolder: string | null;
  readonly places: readonly Place[];
  readonly redisUrls: readonly string[] | null;
}

export interface InstallationDeps extends MachineDeps {
  readonly db: Database;
  readonly audit: Auditor;
  /** The line in Redis; null where PostgreSQL holds it. */
  readonly openLine: (() => Promise<RedisLine>) | null;
  readonly masterKey: () => Promise<Uint8Array | null>;
  /** The end of the audit log as this machine remembers it. */
  readonly auditHead: () => Promise<KnownHead | null>;
  /** The product's own sweep. */
  readonly sweep: () => Promise<readonly SweptJob[]>;
  /** How often servers and workers sweep, and compare the queue with the rows. */
  readonly sweepMs: number;
  readonly leaseMs: number;
  readonly version: string;
  /** What to type to run the program, for advice. */
  readonly program: string;
  readonly now: () => number;
  /** Look at every job and object, however many there are. */
  readonly all: boolean;
  /** How many jobs of each kind are looked at otherwise. */
  readonly recentJobs: number;
}

const STATEMENT_MS = 15_000;
/** Without `all`: objects that are looked for, and objects of each folder that are looked at. */
const MAX_OBJECTS = 1_000;
const MAX_LISTED = 20_000;
/** Without `all`: entries of the audit log that are verified. */
const MAX_AUDIT = 1_000;
/** Without `all`: waiting jobs that are looked for in Redis. */
const MAX_LINE = 100_000;

/** The checks in their order; one that needs another comes after it. */
export function createChecks(deps: InstallationDeps): Check[] {
  const { db, audit, store, now, all, program, version } = deps;
  // What only looks cannot change anything, waits behind no job, and is given up in time.
  const settings = { default_transaction_read_only: "on", jit: "off" };
  const { sql } = db.dedicated({ name: "look", max: 2, statementTimeoutMs: STATEMENT_MS, settings });
  const repairHint = `\`${program} doctor --repair\` mends it.`;
  const mend = createMender({ db, audit });
  const sweeper = createSweeper({ sweep: deps.sweep, mend });
  const scope = createJobScope({ sql, all, recent: deps.recentJobs });
  const jobs = { sql, scope, mend, repairHint };
  const most = (limit: number): number => (all ? Number.POSITIVE_INFINITY : limit);
  return [
    databaseCheck({ sql: db.sql }),
    durabilityCheck({ sql }),
    connectionsCheck({ sql }),
    schemaCheck({ sql, program }),
    clockCheck({ sql, now }),
    secretsCheck({ sql, masterKey: deps.masterKey }),
    ...machineChecks(deps),
    workersCheck({ sql, sweeper, version, program, repairHint }),
    queueCheck({ sql, program, reconcileMs: deps.sweepMs }),
    ...(deps.openLine
      ? [
          lineCheck({
            sql,
            open: deps.openLine,
            mend,
            reconcileMs: deps.sweepMs,
            limit: most(MAX_LINE),
            repairHint,
          }),
        ]
      : []),
    concurrencyCheck({ sql, program }),
    leasesCheck({ ...deps, sql, mend, sweeper, repairHint }),
    jobsCheck(jobs),
    eventsCheck(jobs),
    resultsCheck(jobs),
    documentsCheck(jobs),
    objectsCheck({ sql, store, scope, limit: most(MAX_OBJECTS) }),
    leftoversCheck({ sql, store, mend, now, limit: most(MAX_LISTED), repairHint }),
    auditCheck({ ...deps, sql, recent: most(MAX_AUDIT) }),
    quarantineCheck({ sql, recent: deps.recentJobs, program }),
  ];
}

/** What is left to check where there is no database. */
export function createChecksWithout(missing: unknown, deps: MachineDeps): Check[] {
  return [databaseCheck({ missing }), ...machineChecks(deps)];
}

function machineChecks({ store, storeFolder, places, redisUrls }: MachineDeps): Check[] {
  return [
    storageCheck({ store, folder: storeFolder }),
    spaceCheck({ places }),
    ...(redisUrls ? [redisCheck({ urls: redisUrls })] : []),
  ];
}
