import { randomBytes, randomUUID } from "node:crypto";
import { createAuditor } from "../audit/auditor.ts";
import { createHeadFile } from "../audit/head-file.ts";
import { readMasterKey } from "../auth/master-key.ts";
import type { Config } from "../config.ts";
import { connectDatabase } from "../database.ts";
import { createDatabaseClock } from "../db/clock.ts";
import type { Database } from "../db/sql.ts";
import { createChecks, createChecksWithout, type MachineDeps } from "../doctor/checks.ts";
import { examine } from "../doctor/doctor.ts";
import type { Outcome, Report } from "../doctor/model.ts";
import { createEventBus } from "../events/bus.ts";
import { createNotifyTransport } from "../events/transport.ts";
import { type ClaimedJob, createLeases, type Recovered } from "../jobs/leases.ts";
import { createCleanup } from "../lib/cleanup.ts";
import { systemClock } from "../lib/clock.ts";
import { installationId } from "../queue/line-queries.ts";
import { createPostgresQueue } from "../queue/postgres-queue.ts";
import { createObjectStore, placeOfStore } from "../storage/create-store.ts";
import type { Logger } from "../telemetry/logger.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { VERSION } from "../version.ts";
import { SWEEP_MS } from "./queue.ts";
import { REDIS_ANSWER_MS } from "./redis.ts";
import { type StartOptions, takeDatabase } from "./start.ts";

/** What the doctor looks at unless it is asked for everything: so many jobs of each kind, and for so long. */
const DOCTOR_JOBS = 10_000;
const DOCTOR_DEADLINE_MS = 60_000;
const DOCTOR_LONGEST_MS = 6 * 60 * 60_000;

/**
 * Looks for what is wrong, mends what is safe if asked to, and ends. `tell` gets each check as it is done. It changes
 * nothing else: no migration runs, no key and no database is made.
 */
export async function runDoctor(
  options: StartOptions,
  { repair, all, programName }: { repair: boolean; all: boolean; programName: string },
  tell: (report: Report) => void,
): Promise<Outcome> {
  const { config, logger } = options;
  const redisUrls = config.redisUrls?.reveal() ?? null;
  const cleanup = createCleanup(logger);
  const deadlineMs = all ? DOCTOR_LONGEST_MS : DOCTOR_DEADLINE_MS;
  const machine = machineOf(config);
  try {
    let db: Database;
    try {
      const { url } = await takeDatabase(options, cleanup);
      db = await connectDatabase(url, { name: "doctor", maxConnections: 2, logger }, cleanup);
    } catch (missing) {
      return await examine(createChecksWithout(missing, machine), { repair, deadlineMs, tell });
    }
    const checks = createChecks({
      ...machine,
      db,
      audit: createAuditor(),
      masterKey: async () => config.masterKey?.reveal() ?? (await readMasterKey(config.dataDir)),
      auditHead: createHeadFile(config.dataDir, logger).read,
      openLine: redisUrls
        ? async () => {
            const { openRedisLine } = await import("../queue/redis-line.ts");
            const name = await installationId(db.sql);
            return await openRedisLine({ urls: redisUrls, name, timeoutMs: REDIS_ANSWER_MS, logger });
          }
        : null,
      sweep: () => sweepOnce(config, db, logger),
      sweepMs: SWEEP_MS,
      leaseMs: config.leaseMs,
      version: VERSION,
      program: programName,
      now: systemClock.now,
      all,
      recentJobs: DOCTOR_JOBS,
    });
    return await examine(checks, { repair, deadlineMs, tell });
  } finally {
    await cleanup.run();
  }
}

/** What of an installation lies outside its database. */
function machineOf(config: Config): MachineDeps {
  let files: string | null = null;
  try {
    const place = placeOfStore(config.storageUrl);
    if ("folder" in place) files = place.folder;
  } catch {
    // The check of the store says what is wrong.
  }
  return {
    // No link is signed with it.
    store: () =>
      createObjectStore(config.storageUrl, {
        publicUrl: () => "",
        signingSecret: randomBytes(32),
        clock: systemClock,
        s3Credentials: config.s3Credentials?.reveal() ?? null,
      }).store,
    storeFolder: files,
    places: [
      { name: "the data folder", path: config.dataDir },
      ...(files ? [{ name: "documents and results", path: files }] : []),
    ],
    redisUrls: config.redisUrls?.reveal() ?? null,
  };
}

/** One sweep, as servers and workers make it. */
async function sweepOnce(config: Config, db: Database, logger: Logger): Promise<Recovered[]> {
  // Where Redis holds the queue and carries wake-ups, reconciliation and polling find within seconds what it did.
  const bus = createEventBus({ transport: createNotifyTransport(db), processId: "doctor", logger });
  const claim = (): Promise<never> => Promise.reject(new Error("the doctor runs no jobs"));
  const wake = (ids: readonly string[]): void => bus.announce("work", ids);
  const queue = createPostgresQueue<ClaimedJob>({
    db,
    claim,
    wake,
    logger,
    newTurn: randomUUID,
    random: Math.random,
  });
  try {
    const clock = createDatabaseClock({ system: systemClock, logger });
    const metrics = createMetrics();
    return await createLeases({
      db,
      bus,
      queue,
      metrics,
      clock,
      leaseMs: config.leaseMs,
      retentionMs: config.retentionMs,
    }).sweep();
  } finally {
    await bus.stop();
  }
}
