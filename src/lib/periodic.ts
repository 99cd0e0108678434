import type { Lifecycle } from "./lifecycle.ts";

/**
 * Does `work` every `intervalMs`, never twice at once: a turn that comes while the last one goes on is left out. `stop`
 * waits for the one that goes on.
 * @param work deals with its own failures; it must not reject
 * @param firstMs after so long it is done for the first time, for a process that may not live as long as `intervalMs`
 */
export function createPeriodic(
  work: () => Promise<void>,
  intervalMs: number,
  firstMs: number = intervalMs,
): Lifecycle {
  const timers: NodeJS.Timeout[] = [];
  let working: Promise<void> | null = null;
  const turn = (): void => {
    working ??= work().finally(() => {
      working = null;
    });
  };
  return {
    async start() {
      if (firstMs < intervalMs) timers.push(setTimeout(turn, firstMs));
      timers.push(setInterval(turn, intervalMs));
    },
    async stop() {
      for (const timer of timers) clearTimeout(timer);
      await working;
    },
  };
}
