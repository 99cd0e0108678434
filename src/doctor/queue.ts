import type { Sql } from "../db/sql.ts";
import type { Check, Finding } from "./model.ts";
import { MAX_COUNTED, overrunKeys, type QueueState, readQueue } from "./queue-queries.ts";
import { agree, counted, span } from "./words.ts";
import { isAlive } from "./workers.ts";
import { listWorkerRows, readProcesses } from "./workers-queries.ts";

const STUCK_SECONDS = 120;
/** With free places and work to do, workers look at the queue every second. */
const NOTHING_BEGUN_SECONDS = 60;
const MAX_WORKERS = 1_000;
/** Turns that may be missed before nobody seems to take them. */
const MISSED_TURNS = 6;

/** Do jobs get their turn? */
export function queueCheck({
  sql,
  program,
  reconcileMs,
}: {
  sql: Sql;
  program: string;
  /** How often some process compares the queue with the rows. */
  reconcileMs: number;
}): Check {
  return {
    name: "queue",
    needs: ["schema"],
    async run() {
      const state = await readQueue(sql);
      const { connections, upFor } = await readProcesses(sql);
      const since = state.reconciledSeconds ?? Number.POSITIVE_INFINITY;
      const unheeded = connections > 0 && Math.min(since, upFor) > (MISSED_TURNS * reconcileMs) / 1_000;
      const findings = unheeded ? [unheededFinding(state)] : [];
      if (state.paused) return [...findings, pausedFinding(state, program)];
      const workers = (await listWorkerRows(sql, MAX_WORKERS)).filter(
        (worker) => isAlive(worker) && !worker.draining,
      );
      const free = workers.reduce(
        (sum, { concurrency, running }) => sum + Math.max(0, concurrency - running),
        0,
      );
      const { waiting, running, oldestSeconds, begunSeconds } = state;
      const stuck =
        free > 0 &&
        (oldestSeconds ?? 0) > STUCK_SECONDS &&
        (begunSeconds ?? Number.POSITIVE_INFINITY) > NOTHING_BEGUN_SECONDS;
      if (stuck) return [...findings, stuckFinding(state, free, program)];
      if (findings.length > 0) return findings;
      const waits = oldestSeconds === null ? "" : ` (the oldest for ${span(oldestSeconds)})`;
      const message = `${jobs(waiting)} ${agree(waiting, "waits", "wait")}${waits}, ${running} ${agree(running, "runs", "run")}`;
      return [{ level: "ok", code: "OK", message }];
    },
  };
}

const jobs = (count: number): string =>
  count < MAX_COUNTED ? counted(count, "job") : `${counted(count, "job")} or more`;

function unheededFinding({ reconciledSeconds }: QueueState): Finding {
  const when = reconciledSeconds === null ? "never" : `not for ${span(reconciledSeconds)}`;
  return {
    level: "fault",
    code: "QUEUE_UNHEEDED",
    message: `servers and workers are connected, but have ${when} compared the queue with the jobs`,
    advice:
      "Jobs that the queue has lost, or that wait for a concurrency key, may wait for ever. The logs of servers and workers tell why; restart them.",
  };
}

function pausedFinding({ waiting, changedFor, changedBy, reason }: QueueState, program: string): Finding {
  const by = changedBy ? ` by ${changedBy}` : "";
  const why = reason ? ` ("${reason}")` : "";
  return {
    level: waiting > 0 ? "warn" : "info",
    code: "QUEUE_PAUSED",
    message: `paused for ${span(changedFor)}${by}${why}; ${jobs(waiting)} ${agree(waiting, "waits", "wait")}`,
    advice: `\`${program} queue resume\` lets jobs begin again.`,
    count: waiting,
  };
}

function stuckFinding(
  { waiting, oldestSeconds, oldestId, begunSeconds }: QueueState,
  free: number,
  program: string,
): Finding {
  const begun = begunSeconds === null ? "and none has begun" : `and none has begun for ${span(begunSeconds)}`;
  return {
    level: "fault",
    code: "QUEUE_STUCK",
    message: `${jobs(waiting)} could begin (the oldest for ${span(oldestSeconds ?? 0)}) and workers have ${counted(free, "free place")}, ${begun}`,
    advice: `Look at the logs of the workers for why they claim nothing, and restart them; \`${program} workers list\` names them.`,
    count: waiting,
    ids: oldestId ? [oldestId] : [],
  };
}

/** Do of every concurrency key only as many jobs run as it allows? */
export function concurrencyCheck({ sql, program }: { sql: Sql; program: string }): Check {
  return {
    name: "concurrency keys",
    needs: ["schema"],
    async run() {
      const ids = (await overrunKeys(sql)).map(({ id }) => id);
      if (ids.length === 0) {
        return [{ level: "ok", code: "OK", message: "of none more jobs run than it allows" }];
      }
      return [
        {
          level: "fault",
          code: "KEY_OVERRUN",
          message: `${counted(ids.length, "job")} run of concurrency keys that allow fewer at once`,
          advice: `Cancel those that are too many with \`${program} jobs cancel\`. The index jobs_running_by_key should have refused this: see that it is there and valid, and rebuild it with \`reindex\`.`,
          count: ids.length,
          ids,
        },
      ];
    },
  };
}
