import type { DedicatedPool } from "../db/sql.ts";
import { HealthError } from "../rpc/health-checks.ts";
import { type Backlog, readBacklog } from "./dispatch-queries.ts";

/** A delivery to an endpoint that takes them has been due for so long: there are more than can be delivered. */
const BEHIND_SECONDS = 60;

/** What is due and waits. */
export function createBacklog({ pool, now }: { pool: DedicatedPool; now: () => number }) {
  const read = async (): Promise<Backlog> => await readBacklog(pool.sql, new Date(now()));
  return {
    read,
    /** Endpoints that fail, which have a wait of their own, do not count. @throws HealthError */
    async check(): Promise<void> {
      const { oldestHealthySeconds } = await read();
      if (oldestHealthySeconds > BEHIND_SECONDS) {
        const seconds = Math.round(oldestHealthySeconds);
        throw new HealthError(`deliveries of webhooks are ${seconds} s behind; more servers deliver more`);
      }
    },
  };
}
