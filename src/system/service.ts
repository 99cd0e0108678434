import type { Database } from "../db/sql.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import {
  countLiveWorkers,
  type EndedJobs,
  endedJobs,
  listWorkers,
  type QueueDepth,
  queueDepths,
  type WorkerEntry,
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
}

export interface QueueStats {
  depths: QueueDepth[];
  ended: EndedJobs[];
  workers: number;
  time: Date;
}

const PRIORITY_LABELS = ["HIGH", "NORMAL", "LOW"];

export type SystemService = ReturnType<typeof createSystemService>;

/** What operators ask of the installation as a whole. */
export function createSystemService(deps: {
  db: Database;
  facts: ServerFacts;
  metrics: Metrics;
  now: () => number;
}) {
  const { db, facts, metrics, now } = deps;
  return {
    facts(): ServerFacts & { serverTime: Date } {
      return { ...facts, serverTime: new Date(now()) };
    },

    async queueStats(): Promise<QueueStats> {
      const [depths, ended, workers] = await Promise.all([
        queueDepths(db.sql),
        endedJobs(db.sql),
        countLiveWorkers(db.sql),
      ]);
      return { depths, ended, workers, time: new Date(now()) };
    },

    async workers(page: { limit: number; afterId: string | null }): Promise<WorkerEntry[]> {
      return await listWorkers(db.sql, page);
    },

    /** @throws Error when no worker is alive anywhere */
    async checkWorkers(): Promise<void> {
      if ((await countLiveWorkers(db.sql)) === 0) throw new Error("no worker is alive");
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
