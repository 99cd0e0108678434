import { setTimeout as sleep } from "node:timers/promises";

/** Ends early with the flood. */
export const waits = (ms: number, signal: AbortSignal): Promise<void> =>
  sleep(ms, undefined, { signal }).catch(() => {});
