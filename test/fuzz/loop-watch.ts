import { monitorEventLoopDelay } from "node:perf_hooks";

/** How long the event loop of this process stood still, in milliseconds. */
export interface Pauses {
  /** The longest, whoever made it. */
  readonly longestMs: number;
  /** The longest that this process made itself, by the processor time of its main thread. */
  readonly longestOwnMs: number;
}

const LOOK_MS = 5;

/**
 * Watches the event loop until `end`. On a machine with more to do than processors a pause may be the machine's: then the
 * thread had no processor meanwhile, and only its own time counts as its own.
 */
export function watchLoop(): { end(): Pauses } {
  const delay = monitorEventLoopDelay({ resolution: LOOK_MS });
  delay.enable();
  let longestOwnMs = 0;
  let last = process.threadCpuUsage();
  const timer = setInterval(() => {
    const now = process.threadCpuUsage();
    longestOwnMs = Math.max(longestOwnMs, (now.user + now.system - last.user - last.system) / 1000);
    last = now;
  }, LOOK_MS);
  return {
    end() {
      clearInterval(timer);
      delay.disable();
      return { longestMs: delay.max / 1e6, longestOwnMs };
    },
  };
}
