import type { Sql } from "../db/sql.ts";
import { readClock } from "./database-queries.ts";
import type { Check } from "./model.ts";
import { span } from "./words.ts";

const MAX_APART_MS = 2_000;
const SAMPLES = 3;

/** Do the clocks of this machine and of the database agree? */
export function clockCheck({ sql, now }: { sql: Sql; now: () => number }): Check {
  /** How far this machine's clock is ahead, in milliseconds, and how far off that may be. */
  const measure = async (): Promise<{ ahead: number; within: number }> => {
    const before = now();
    const database = await readClock(sql);
    const after = now();
    return { ahead: (before + after) / 2 - database, within: (after - before) / 2 };
  };

  return {
    name: "clock",
    needs: ["database"],
    async run() {
      let best = await measure();
      for (let i = 1; i < SAMPLES; i++) {
        const next = await measure();
        if (next.within < best.within) best = next;
      }
      const apart = Math.abs(best.ahead);
      if (apart - best.within <= MAX_APART_MS) {
        return [
          {
            level: "ok",
            code: "OK",
            message: `this machine and the database agree within ${span(apart / 1_000)}`,
          },
        ];
      }
      return [
        {
          level: "warn",
          code: "CLOCK_OFF",
          message: `the clock of this machine is ${span(apart / 1_000)} ${best.ahead > 0 ? "ahead of" : "behind"} the database's`,
          advice:
            "Jobs, leases, tokens and links go by the database's clock and are not touched; logs, certificates and files of this machine go by its own. Let both keep time with NTP.",
        },
      ];
    },
  };
}
