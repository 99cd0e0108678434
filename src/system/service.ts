import type { Auditor } from "../audit/auditor.ts";
import type { Database } from "../db/sql.ts";
import type { Caller } from "../lib/caller.ts";
import type { Claimed, Queue } from "../queue/queue.ts";
import { HealthError } from "../rpc/health-checks.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import {
  countLiveWorkers,
  type EndedJobs,
  endedJobs,
  listWorkers,
  type PauseState,
  type QueueDepth,
  queueDepths,
  readPause,
  type WorkerEntry,
  writePause,
} from "./queries.ts";

export interface ServerFacts {
  version: string;
  features: readonly string[];
  startTime: Date;
  maxMessageBytes: number;
  maxDocumentBytes: number;
  maxInlineResultBytes: number;
  maxBatchSize: number;
  maxPageSize: number;
  maxPages: number;
  maxJobTimeoutMs: number;
  /** Null: results are kept until they are deleted. */
  resultRetentionMs: number | null;
}

export interface QueueStats {
  depths: QueueDepth[];
  ended: EndedJobs[];
  workers: number;
  pause: PauseState;
  /** What holds the line. */
  backend: "postgres" | "redis";
  time: Date;
}

const PRIORITY_LABELS = ["HIGH", "NORMAL", "LOW"];

export interface SystemDeps {
  db: Database;
  audit: Auditor;
  queue: Pick<Queue<Claimed>, "backend" | "pause" | "resume">;
  facts: ServerFacts;
  metrics: Metrics;
  now: () => number;
}

export type SystemService = ReturnType<typeof createSystemService>;

/** What operators ask of the installation as a whole. */
export function createSystemService(deps: SystemDeps) {
  const { db, audit, queue, facts, metrics, now } = deps;

  const queueStats = async (): Promise<QueueStats> => {
    const [depths, ended, workers, pause] = await Promise.all([
      queueDepths(db.sql),
      endedJobs(db.sql),
      countLiveWorkers(db.sql),
      readPause(db.sql),
    ]);
    return { depths, ended, workers, pause, backend: queue.backend, time: new Date(now()) };
  };

  const setPause = async (caller: Caller, paused: boolean, reason: string): Promise<QueueStats> => {
    const changed = await db.begin(async (tx) => {
      const done = await writePause(tx, { paused, reason, changedBy: caller.userId });
      if (done) {
        await audit.record(tx, caller, {
          action: paused ? "queue.pause" : "queue.resume",
          resourceType: "queue",
        });
      }
      return done;
    });
    if (changed) await (paused ? queue.pause() : queue.resume());
    return await queueStats();
  };

  return {
    /** Jobs are still created, none is begun, those that run go on. Pausing twice changes nothing. */
    async pause(caller: Caller, reason: string): Promise<QueueStats> {
      return await setPause(caller, true, reason);
    },

    async resume(caller: Caller): Promise<QueueStats> {
      return await setPause(caller, false, "");
    },

    facts(): ServerFacts & { serverTime: Date } {
      return { ...facts, serverTime: new Date(now()) };
    },

    queueStats,

    async workers(page: { limit: number; afterId: string | null }): Promise<WorkerEntry[]> {
      return await listWorkers(db.sql, page);
    },

    /** @throws HealthError when no worker is alive anywhere */
    async checkWorkers(): Promise<void> {
      if ((await countLiveWorkers(db.sql)) === 0) throw new HealthError("no worker is alive");
    },

    /** Sets the gauges of the queue; called when metrics are read, so that they cost nothing in between. */
    async refreshGauges(): Promise<void> {
      for (const { priority, waiting, delayed, leased, oldestSeconds } of await queueDepths(db.sql)) {
        const label = PRIORITY_LABELS[priority] ?? "";
        metrics.queueDepth.set({ priority: label, state: "waiting" }, waiting);
        metrics.queueDepth.set({ priority: label, state: "delayed" }, delayed);
        metrics.queueDepth.set({ priority: label, state: "leased" }, leased);
        metrics.queueOldestSeconds.set({ priority: label }, oldestSeconds ?? 0);
      }
    },
  };
}
