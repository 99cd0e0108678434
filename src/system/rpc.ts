import type { MessageInitShape } from "@bufbuild/protobuf";
import { JobPriority } from "../../gen/sluice/v1/jobs_pb.ts";
import { type QueueStatsSchema, SystemService as SystemServiceDesc } from "../../gen/sluice/v1/system_pb.ts";
import { durationOf, timestampOf } from "../lib/wire-time.ts";
import { callerOf } from "../rpc/context.ts";
import { idCursor } from "../rpc/id-cursor.ts";
import { type PageTokens, pageSize } from "../rpc/pages.ts";
import { registerService } from "../rpc/service.ts";
import type { QueueStats, SystemService } from "./service.ts";

const PRIORITY_BY_RANK = [JobPriority.HIGH, JobPriority.NORMAL, JobPriority.LOW];

/** The handlers of SystemService. */
export const systemRoutes = (system: SystemService, pages: PageTokens) =>
  registerService(SystemServiceDesc, {
    async getServerInfo() {
      const facts = system.facts();
      return {
        info: {
          version: facts.version,
          features: [...facts.features],
          startTime: timestampOf(facts.startTime),
          serverTime: timestampOf(facts.serverTime),
          limits: {
            maxMessageBytes: BigInt(facts.maxMessageBytes),
            maxDocumentBytes: BigInt(facts.maxDocumentBytes),
            maxInlineResultBytes: BigInt(facts.maxInlineResultBytes),
            maxBatchSize: facts.maxBatchSize,
            maxPageSize: facts.maxPageSize,
            maxPages: facts.maxPages,
            maxJobTimeout: durationOf(facts.maxJobTimeoutMs),
            resultRetention:
              facts.resultRetentionMs === null ? undefined : durationOf(facts.resultRetentionMs),
          },
        },
      };
    },

    async getQueueStats() {
      return { stats: statsToMessage(await system.queueStats()) };
    },

    async pauseQueue({ reason }, context) {
      return { stats: statsToMessage(await system.pause(callerOf(context), reason)) };
    },

    async resumeQueue(_request, context) {
      return { stats: statsToMessage(await system.resume(callerOf(context))) };
    },

    async listWorkers(request, context) {
      const limit = pageSize(request.pageSize);
      const list = { list: "workers", userId: callerOf(context).userId };
      const afterId = idCursor(pages.decode(list, request.pageToken));
      const found = await system.workers({ limit: limit + 1, afterId });
      const page = found.slice(0, limit);
      const last = page.at(-1);
      return {
        workers: page.map((worker) => ({
          id: worker.id,
          host: worker.host,
          version: worker.version,
          startTime: timestampOf(worker.startTime),
          lastHeartbeatTime: timestampOf(worker.heartbeatTime),
          runningJobs: worker.running,
          concurrency: worker.concurrency,
          isAlive: worker.alive,
          isDraining: worker.draining,
          clockOffset: worker.clockOffsetMs === null ? undefined : durationOf(worker.clockOffsetMs),
        })),
        nextPageToken: found.length > limit && last ? pages.encode(list, [last.id]) : "",
      };
    },
  });

function statsToMessage({
  depths,
  ended,
  workers,
  pause,
  backend,
  time,
}: QueueStats): MessageInitShape<typeof QueueStatsSchema> {
  return {
    priorities: depths.map(({ priority, waiting, delayed, leased, oldestSeconds }) => ({
      priority: PRIORITY_BY_RANK[priority] ?? JobPriority.NORMAL,
      waiting: BigInt(waiting),
      delayed: BigInt(delayed),
      leased: BigInt(leased),
      oldestAge: oldestSeconds === null ? undefined : durationOf(Math.max(0, oldestSeconds * 1000)),
    })),
    rates: ended.map(({ windowSeconds, completed, failed, cancelled }) => ({
      window: durationOf(windowSeconds * 1000),
      completed: BigInt(completed),
      failed: BigInt(failed),
      cancelled: BigInt(cancelled),
      jobsPerSecond: (completed + failed + cancelled) / windowSeconds,
    })),
    isPaused: pause.paused,
    pauseReason: pause.reason,
    backend,
    time: timestampOf(time),
    workers,
  };
}
