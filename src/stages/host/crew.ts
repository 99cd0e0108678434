import { setTimeout as delay } from "node:timers/promises";
import { messageOf } from "../../lib/errors.ts";
import type { Lifecycle } from "../../lib/lifecycle.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { StageFailure } from "../stage.ts";
import { type DocumentProcess, startProcess } from "./document-process.ts";
import { residentBytes } from "./process-memory.ts";
import { findSandbox, type Sandbox } from "./sandbox.ts";

/** Starts in a row that may fail before whoever waits is told. */
const START_ATTEMPTS = 3;
const RESTART_DELAY_MS = 200;
const MAX_RESTART_DELAY_MS = 10_000;

export interface CrewOptions {
  size: number;
  maxRssBytes: number;
  maxDocumentsPerProcess: number;
  oldSpaceMb: number;
  customModules: readonly string[];
  closedPaths: readonly string[];
  warmUp: boolean;
  tempDir: string;
  path: string;
  logger: Logger;
}

/** Keeps `size` children warm and lends them out, first come, first served. */
export interface Crew extends Lifecycle {
  acquire(signal: AbortSignal): Promise<DocumentProcess>;
  /** Takes a child back; one that is dead, worn, fat or has run a stage of the operator's is replaced. */
  release(child: DocumentProcess): void;
  pids(): number[];
  /** True once `stop` was called. */
  stopping(): boolean;
}

interface Waiter {
  settle(child: DocumentProcess): void;
  fail(error: unknown): void;
}

export function createCrew(options: CrewOptions): Crew {
  const all = new Set<DocumentProcess>();
  const idle: DocumentProcess[] = [];
  const waiting = new Set<Waiter>();
  const starting = new Set<Promise<void>>();
  const ending = new Set<Promise<void>>();
  const stopped = new AbortController();
  let sandbox: Sandbox | undefined;
  let failedStarts = 0;

  function lend(child: DocumentProcess): void {
    const [first] = waiting;
    if (first !== undefined) {
      waiting.delete(first);
      first.settle(child);
      return;
    }
    idle.push(child);
    child.onExit = () => {
      idle.splice(idle.indexOf(child), 1);
      replace(child);
    };
  }

  async function startOne(): Promise<void> {
    sandbox ??= await findSandbox(options.path);
    const child = await startProcess({ ...options, sandbox });
    if (stopped.signal.aborted) return await child.kill();
    failedStarts = 0;
    all.add(child);
    lend(child);
  }

  /** Starts a child in the background, again and again with growing pauses until it stands. */
  async function restart(): Promise<void> {
    while (!stopped.signal.aborted) {
      try {
        return await startOne();
      } catch (error) {
        failedStarts++;
        options.logger.error({ error: messageOf(error), failedStarts }, "A document process did not start.");
        if (failedStarts >= START_ATTEMPTS) failWaiting();
        const pause = Math.min(MAX_RESTART_DELAY_MS, RESTART_DELAY_MS * 2 ** Math.min(failedStarts, 10));
        await delay(pause, undefined, { signal: stopped.signal }).catch(() => {});
      }
    }
  }

  function failWaiting(): void {
    for (const waiter of waiting) {
      waiter.fail(
        new StageFailure(
          "STAGE_FAILED",
          "No document process can be started on this worker; see its log.",
          true,
        ),
      );
    }
    waiting.clear();
  }

  function replace(child: DocumentProcess): void {
    all.delete(child);
    track(ending, child.kill());
    if (!stopped.signal.aborted) track(starting, restart());
  }

  return {
    /** Resolves when every child is ready; a child that does not start is this call's error. */
    async start() {
      sandbox = await findSandbox(options.path);
      if (!sandbox.networkIsolated) {
        options.logger.warn(
          {},
          "Document processes have network access: unshare is missing or not allowed here.",
        );
      }
      if (residentBytes(process.pid) === null) {
        options.logger.warn(
          {},
          "The memory of document processes cannot be watched on this system; only their heap is bounded.",
        );
      }
      const starts = await Promise.allSettled(Array.from({ length: options.size }, startOne));
      const failed = starts.find((start) => start.status === "rejected");
      if (failed === undefined) return;
      await this.stop();
      throw failed.reason;
    },

    async stop() {
      stopped.abort();
      for (const waiter of waiting) waiter.fail(stoppingFailure());
      waiting.clear();
      await Promise.all([...all].map((child) => child.kill()));
      await Promise.allSettled([...starting, ...ending]);
    },

    acquire(signal) {
      if (stopped.signal.aborted) return Promise.reject(stoppingFailure());
      // The one that worked last: it has loaded most.
      const child = idle.pop();
      if (child !== undefined) {
        child.onExit = () => {};
        return Promise.resolve(child);
      }
      return new Promise((settle, fail) => {
        const onAbort = () => {
          waiting.delete(waiter);
          fail(signal.reason);
        };
        const leave = () => signal.removeEventListener("abort", onAbort);
        const waiter: Waiter = {
          settle: (child) => {
            leave();
            settle(child);
          },
          fail: (error) => {
            leave();
            fail(error);
          },
        };
        waiting.add(waiter);
        signal.addEventListener("abort", onAbort, { once: true });
      });
    },

    release(child) {
      const worn = child.tasks >= options.maxDocumentsPerProcess;
      const fat = child.alive() && (residentBytes(child.pid) ?? 0) > options.maxRssBytes / 2;
      // What such a stage has left behind, as a timer that throws, would be the next document's fault.
      const tainted = child.ranCustomStage;
      if (!child.alive() || worn || fat || tainted || stopped.signal.aborted) replace(child);
      else lend(child);
    },

    stopping: () => stopped.signal.aborted,

    pids: () => [...all].map((child) => child.pid),
  };
}

/** A pool that stops fails what runs in it; another worker takes it up. */
export function stoppingFailure(): StageFailure {
  const failure = new StageFailure(
    "STAGE_FAILED",
    "The worker stops; the stage will run again elsewhere.",
    true,
  );
  // No fault of the stage: nothing that a pipeline says about failures applies.
  failure.name = "StageStopped";
  return failure;
}

function track(set: Set<Promise<void>>, work: Promise<void>): void {
  set.add(work);
  void work.finally(() => set.delete(work));
}
