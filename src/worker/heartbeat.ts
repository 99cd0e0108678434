import { extname } from "node:path";
import { Worker as Thread } from "node:worker_threads";
import { LeaseLostError } from "../jobs/errors.ts";
import type { WorkerFacts } from "../jobs/heartbeats.ts";
import type { Lease } from "../jobs/leases.ts";
import { messageOf } from "../lib/errors.ts";
import type { Lifecycle } from "../lib/lifecycle.ts";
import type { Logger } from "../telemetry/logger.ts";
import { CancelOrdered } from "./failure.ts";
import type { FromHeartbeat, HeartbeatSettings, ToHeartbeat } from "./heartbeat-protocol.ts";
import type { AttemptControl } from "./run-job.ts";

/** An attempt under way, as its heartbeat sees it. */
export interface RunningAttempt extends AttemptControl {
  readonly lease: Lease;
  /** When the lease was last known to hold, by `monotonicMs`. */
  renewedAt: number;
}

export interface Heartbeat extends Lifecycle {
  /** Keeps the lease of an attempt from now on. */
  hold(attempt: RunningAttempt): void;
  /** The attempt has ended. */
  drop(attempt: RunningAttempt): void;
}

/** The database did not take the first heartbeat. */
class HeartbeatStartError extends Error {
  override name = "HeartbeatStartError";
  constructor(cause: string) {
    super(
      `The database did not take the first heartbeat of this worker: ${cause}. Look at the database, then start this again.`,
    );
  }
}

/** How often the main thread shows that it is alive. */
const SIGN_MS = 1_000;
const RESTART_MS = 1_000;
/** How long the thread may take to end in good order. */
const END_MS = 2_000;

/**
 * Keeps the leases of running attempts by a thread of its own, and carries out what comes back: an attempt whose lease
 * is lost, or could not be renewed until it must have run out, is stopped. A thread that fails is replaced.
 */
export function createHeartbeat(deps: {
  settings: HeartbeatSettings;
  facts: () => WorkerFacts;
  /** Called with each answer that says that another process has taken the worker's id. */
  onDisplaced: () => void;
  logger: Logger;
}): Heartbeat {
  const { settings, facts, onDisplaced, logger } = deps;
  const attempts = new Map<string, RunningAttempt>();
  let thread: Thread | null = null;
  let sign: NodeJS.Timeout | null = null;
  let stopped = false;

  const send = (message: ToHeartbeat): void => thread?.postMessage(message);

  const showLife = (): void => {
    const peaks = [...attempts.values()].map(({ lease, peakMemoryBytes }): [string, number] => [
      lease.token,
      peakMemoryBytes,
    ]);
    send({ kind: "alive", facts: facts(), peaks });
  };

  const holdOf = ({ lease, renewedAt }: RunningAttempt): ToHeartbeat => ({ kind: "hold", lease, renewedAt });

  const obey = (message: FromHeartbeat): void => {
    switch (message.kind) {
      case "beat":
        for (const token of message.renewed) {
          const attempt = attempts.get(token);
          if (attempt) attempt.renewedAt = message.at;
        }
        if (message.isDisplaced) onDisplaced();
        for (const token of message.cancel) attempts.get(token)?.stop.abort(new CancelOrdered());
        return;
      case "lost":
        for (const token of message.tokens) {
          const attempt = attempts.get(token);
          attempt?.stop.abort(new LeaseLostError(attempt.lease.jobId));
        }
        return;
      case "failed":
        logger.warn({ error: message.error }, "leases could not be renewed; tried again soon");
        return;
      case "hung":
        logger.error(
          { seconds: Math.round(message.ms / 1000) },
          "the worker's main thread stood still for so long that its jobs were left to others; look for what held it up, as a log that nobody reads",
        );
    }
  };

  /** Starts a thread; resolves with the first answer of the database. @throws when there is none */
  const launch = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const next = new Thread(new URL(`./heartbeat-thread${extname(import.meta.url)}`, import.meta.url), {
        workerData: settings,
        name: "heartbeat",
      });
      let cause: unknown = new Error("it ended by itself");
      next.on("error", (error) => {
        cause = error;
      });
      next.on("message", (message: FromHeartbeat) => {
        if (message.kind === "failed") reject(new HeartbeatStartError(message.error));
        else resolve();
        if (!stopped) obey(message);
      });
      next.once("exit", () => {
        reject(cause);
        if (stopped || thread !== next) return;
        thread = null;
        logger.error({ error: messageOf(cause) }, "the heartbeat has failed; it is started again");
        setTimeout(() => {
          // It goes on by itself when the database does not answer at first.
          if (!stopped) launch().catch(() => {});
        }, RESTART_MS);
      });
      thread = next;
      // Before the sign of life, which brings the first heartbeat.
      for (const attempt of attempts.values()) send(holdOf(attempt));
      showLife();
    });

  const end = async (): Promise<void> => {
    stopped = true;
    if (sign) clearInterval(sign);
    const last = thread;
    if (!last) return;
    const ended = new Promise<void>((resolve) => last.once("exit", () => resolve()));
    send({ kind: "stop" });
    const timer = setTimeout(() => void last.terminate(), END_MS);
    await ended;
    clearTimeout(timer);
    thread = null;
  };

  return {
    async start() {
      try {
        await launch();
      } catch (error) {
        await end();
        throw error;
      }
      sign = setInterval(showLife, Math.min(SIGN_MS, settings.intervalMs));
    },
    stop: end,
    hold(attempt) {
      attempts.set(attempt.lease.token, attempt);
      send(holdOf(attempt));
    },
    drop({ lease }) {
      attempts.delete(lease.token);
      send({ kind: "drop", token: lease.token });
    },
  };
}
