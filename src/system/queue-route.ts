import type { PlainRoute } from "../rpc/http.ts";
import type { SystemService } from "./service.ts";

const PRIORITIES = ["high", "normal", "low"];

/** `GET /health/queue`: depths, ages and rates as JSON, without a credential and without anything of the jobs. */
export function createQueueRoute(system: Pick<SystemService, "queueStats">): PlainRoute {
  return async (request, response) => {
    const path = request.url?.split("?", 1)[0];
    if (path !== "/health/queue" || (request.method !== "GET" && request.method !== "HEAD")) return false;
    const { depths, ended, workers, pause, backend, time } = await system.queueStats();
    const body = JSON.stringify({
      backend,
      paused: pause.paused,
      workers,
      time: time.toISOString(),
      priorities: depths.map(({ priority, waiting, delayed, leased, oldestSeconds }) => ({
        priority: PRIORITIES[priority],
        waiting,
        delayed,
        leased,
        oldest_age_seconds: oldestSeconds,
      })),
      rates: ended.map(({ windowSeconds, completed, failed, cancelled }) => ({
        window_seconds: windowSeconds,
        completed,
        failed,
        cancelled,
        jobs_per_second: (completed + failed + cancelled) / windowSeconds,
      })),
    });
    response.statusCode = 200;
    response.setHeader("content-type", "application/json");
    response.setHeader("cache-control", "no-store");
    response.end(request.method === "HEAD" ? undefined : body);
    return true;
  };
}
