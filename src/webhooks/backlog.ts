import type { DedicatedPool } from "../db/sql.ts";
import { HealthError } from "../rpc/health-checks.ts";
import { countDue, oldestDue } from "./dispatch-queries.ts";

/** A delivery that no process delivers has been due for so long: there are more than can be delivered. */
const BEHIND_SECONDS = 60;

/** What is due and waits. */
export function createBacklog({ pool, now }: { pool: DedicatedPool; now: () => number }) {
  const secondsBehind = async (of: "all" | "unheld"): Promise<number> => {
    const ms = now();
    const oldest = await oldestDue(pool.sql, new Date(ms), of);
    return oldest ? Math.max(0, (ms - oldest.getTime()) / 1_000) : 0;
  };
  return {
    /** How many are due, up to 100,000, and how long the oldest has been, of endpoints without failures. */
    async read(): Promise<{ due: number; secondsBehind: number }> {
      const [due, behind] = await Promise.all([countDue(pool.sql, new Date(now())), secondsBehind("all")]);
      return { due, secondsBehind: behind };
    },
    /**
     * Endpoints that fail, which have a wait of their own, do not count, nor those that get what they take: one that is
     * slow, or had much sent again, says nothing about the servers. @throws HealthError
     */
    async check(): Promise<void> {
      const behind = await secondsBehind("unheld");
      if (behind > BEHIND_SECONDS) {
        throw new HealthError(
          `deliveries of webhooks are ${Math.round(behind)} s behind; more servers deliver more`,
        );
      }
    },
  };
}
