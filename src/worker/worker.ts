import { setMaxListeners } from "node:events";
import { mkdir, rm } from "node:fs/promises";
import type { DatabaseClock } from "../db/clock.ts";
import type { EventBus } from "../events/bus.ts";
import type { Heartbeats, WorkerFacts } from "../jobs/heartbeats.ts";
import type { ClaimedJob, Leases } from "../jobs/leases.ts";
import { monotonicMs } from "../lib/clock.ts";
import { messageOf } from "../lib/errors.ts";
import type { Lifecycle } from "../lib/lifecycle.ts";
import { within } from "../lib/within.ts";
import { HealthError } from "../rpc/health-checks.ts";
import type { StagePool } from "../stages/host/pool.ts";
import type { Logger } from "../telemetry/logger.ts";
import { CancelOrdered, WorkerStopping } from "./failure.ts";
import { createHeartbeat, type RunningAttempt } from "./heartbeat.ts";
import type { AttemptControl, Outcome } from "./run-job.ts";

export interface WorkerDeps {
  leases: Leases;
  heartbeats: Heartbeats;
  bus: EventBus;
  pool: StagePool;
  runJob: (claimed: ClaimedJob, control: AttemptControl) => Promise<Outcome>;
  logger: Logger;
  id: string;
  /** Any UUID that no other process has. */
  instance: string;
  host: string;
  version: string;
  pid: number;
  /** Attempts at once. */
  concurrency: number;
  heartbeatMs: number;
  /** Where the heartbeat's own connection leads. */
  databaseUrl: string;
  /** Longest wait between two looks at the queue. */
  pollMs: number;
  /** How long running attempts may go on after `stop`. */
  graceMs: number;
  tempDir: string;
  clock: Pick<DatabaseClock, "now" | "offsetMs">;
  random: () => number;
}

export interface Worker extends Lifecycle {
  /**
   * @throws HealthError when it is alive but not working: the claim loop has not completed a round for 30 s, or another
   *   process has taken its id
   */
  check(): void;
  /** Settles, with a sentence for people, when another process has taken its id and what it ran has ended. */
  readonly displaced: Promise<string>;
}

const STALLED_AFTER_MS = 30_000;
/** For how many times the length of a lease the main thread may stand still before its jobs are left to others. */
const HUNG_AFTER_LEASES = 2;
/** How long after the grace period jobs may take to be handed back; what still hangs then is left to its lease. */
const HAND_BACK_MS = 5_000;

/** Claims jobs as places come free and runs them; on stop it finishes or hands back what it holds. */
export function createWorker(deps: WorkerDeps): Worker {
  const { leases, bus, pool, logger, concurrency } = deps;
  const running = new Map<string, RunningAttempt>();
  const ends = new Set<Promise<void>>();
  let stopping = false;
  let handingBack = false;
  const over = new AbortController();
  // Every attempt that waits for the database listens.
  setMaxListeners(0, over.signal);
  let wake = (): void => {};
  let woken = false;
  let loop: Promise<void> = Promise.resolve();
  let lastRound = performance.now();
  let unsubscribe: (() => void)[] = [];
  let stopped: Promise<void> | null = null;
  let idTaken = false;
  let settleDisplaced = (_reason: string): void => {};
  const displaced = new Promise<string>((resolve) => {
    settleDisplaced = resolve;
  });

  const facts = (): WorkerFacts => ({
    id: deps.id,
    instance: deps.instance,
    host: deps.host,
    version: deps.version,
    pid: deps.pid,
    concurrency,
    running: running.size,
    draining: stopping || idTaken,
    clockOffsetMs: deps.clock.offsetMs(),
  });

  /** Leases are told apart by their tokens, so what runs may go on; but two must not begin jobs in one name. */
  const onDisplaced = (): void => {
    if (idTaken || stopping) return;
    idTaken = true;
    wake();
    logger.error(
      { worker: deps.id },
      "another process has taken the id of this worker: it begins no more jobs; give each worker an id of its own in SLUICE_WORKER_ID",
    );
    void loop
      .then(() => Promise.all(ends))
      .then(() => {
        settleDisplaced(
          `Another process works under the worker id ${deps.id}, so this one has ended. Give each worker an id of its own in SLUICE_WORKER_ID.`,
        );
      });
  };

  const heartbeat = createHeartbeat({
    settings: {
      databaseUrl: deps.databaseUrl,
      applicationName: "sluice-worker",
      leaseMs: leases.leaseMs,
      intervalMs: deps.heartbeatMs,
      hungAfterMs: HUNG_AFTER_LEASES * leases.leaseMs,
    },
    logger,
    facts,
    onDisplaced,
  });

  const poke = (): void => {
    woken = true;
    wake();
  };

  const sleep = async (ms: number): Promise<void> => {
    if (woken || stopping || idTaken) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    wake = () => {};
  };

  const launch = (claimed: ClaimedJob, claimedAt: number): void => {
    const stop = new AbortController();
    const attempt: RunningAttempt = {
      lease: claimed.lease,
      stop,
      over: over.signal,
      renewedAt: claimedAt,
      peakMemoryBytes: 0,
    };
    running.set(claimed.job.id, attempt);
    heartbeat.hold(attempt);
    const end = deps.runJob(claimed, attempt).then(() => {
      // The job may be here again already: handed back, or tried again at once. Its new attempt stays.
      if (running.get(claimed.job.id) === attempt) running.delete(claimed.job.id);
      heartbeat.drop(attempt);
      ends.delete(end);
      poke();
    });
    ends.add(end);
    // Claimed by a statement that outlasted the grace period.
    if (handingBack) stop.abort(new WorkerStopping());
  };

  /** Asks at once whether some of the attempts are ordered to stop; the next heartbeat would tell too. */
  const readOrders = async (): Promise<void> => {
    if (running.size === 0) return;
    const held = [...running.values()].map(({ lease }) => lease);
    for (const jobId of await leases.orders(held)) running.get(jobId)?.stop.abort(new CancelOrdered());
  };

  const claimRound = async (): Promise<number> => {
    const free = concurrency - running.size;
    if (free <= 0) return 0;
    const claimedAt = monotonicMs();
    const claimed = await leases.claim(deps.id, free, deps.clock.now);
    for (const job of claimed) launch(job, claimedAt);
    return claimed.length;
  };

  const work = async (): Promise<void> => {
    let failures = 0;
    while (!stopping && !idTaken) {
      woken = false;
      try {
        const claimed = await claimRound();
        failures = 0;
        lastRound = performance.now();
        // With all places taken, the end of an attempt is the next reason to look.
        if (claimed > 0 && running.size < concurrency) continue;
      } catch (error) {
        failures++;
        logger.warn({ error: messageOf(error) }, "no jobs could be claimed; tried again soon");
      }
      // Spread, so that many workers do not look at the same moment.
      const pause = failures > 0 ? Math.min(10_000, 200 * 2 ** failures) : deps.pollMs;
      await sleep(pause * (0.75 + deps.random() / 2));
    }
  };

  const begin = async (): Promise<void> => {
    await deps.heartbeats.register(facts());
    await mkdir(deps.tempDir, { recursive: true, mode: 0o700 });
    const begun = await Promise.allSettled([pool.start(), heartbeat.start()]);
    const failed = begun.find((part) => part.status === "rejected");
    if (failed) throw failed.reason;
  };

  const end = async (): Promise<void> => {
    stopping = true;
    wake();
    // The last claim may still bring jobs.
    const quiet = loop.then(() => Promise.all(ends));
    await within(deps.graceMs, quiet);
    handingBack = true;
    for (const { stop } of running.values()) stop.abort(new WorkerStopping());
    const deadline = performance.now() + HAND_BACK_MS;
    const rest = (work: Promise<unknown>) => within(Math.max(0, deadline - performance.now()), work);
    await rest(quiet);
    over.abort();
    for (const stopListening of unsubscribe) stopListening();
    await rest(heartbeat.stop());
    await pool.stop();
    const signOff = deps.heartbeats.signOff(facts()).catch((error) => {
      logger.warn(
        { error: messageOf(error) },
        "the worker could not sign off; it is forgotten within an hour",
      );
    });
    await rest(signOff);
    if (performance.now() >= deadline) {
      logger.warn(
        { running: running.size },
        "the database did not answer; jobs go back when their leases end",
      );
    }
    await rm(deps.tempDir, { recursive: true, force: true });
    logger.info({ worker: deps.id }, "worker stopped");
  };

  return {
    async start() {
      try {
        await begin();
      } catch (error) {
        await Promise.all([pool.stop(), heartbeat.stop()]);
        await deps.heartbeats.signOff(facts()).catch(() => {});
        await rm(deps.tempDir, { recursive: true, force: true });
        throw error;
      }
      unsubscribe = [
        bus.onAny("work", poke),
        bus.onAny("orders", (ids) => {
          if (ids.length > 0 && !ids.some((id) => running.has(id))) return;
          readOrders().catch((error) => {
            logger.warn(
              { error: messageOf(error) },
              "orders could not be read; the next heartbeat brings them",
            );
          });
        }),
      ];
      loop = work();
      logger.info({ worker: deps.id, concurrency }, "worker started");
    },

    stop() {
      stopped ??= end();
      return stopped;
    },

    displaced,

    check() {
      if (idTaken) throw new HealthError("another process has taken the id of this worker");
      const idleMs = performance.now() - lastRound;
      if (running.size < concurrency && idleMs > STALLED_AFTER_MS) {
        throw new HealthError(`the claim loop has not completed a round for ${Math.round(idleMs / 1000)} s`);
      }
    },
  };
}
