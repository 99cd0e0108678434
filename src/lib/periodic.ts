import type { Lifecycle } from "./lifecycle.ts";

/**
 * Does `work` every `intervalMs`, never twice at once: a turn that comes while the last one goes on is left out. `stop`
 * waits for the one that goes on. @param work deals with its own failures; it must not reject
 */
export function createPeriodic(work: () => Promise<void>, intervalMs: number): Lifecycle {
  let timer: NodeJS.Timeout | null = null;
  let working: Promise<void> | null = null;
  return {
    async start() {
      timer = setInterval(() => {
        working ??= work().finally(() => {
          working = null;
        });
      }, intervalMs);
    },
    async stop() {
      if (timer) clearInterval(timer);
      await working;
    },
  };
}
