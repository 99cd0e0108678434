import type { Sql } from "../db/sql.ts";
import { type LinePosition, walkLine } from "../queue/line-queries.ts";
import type { QueueEntry } from "../queue/queue.ts";
import type { RedisLine } from "../queue/redis-line.ts";
import { readClock } from "./database-queries.ts";
import type { Mender } from "./mender.ts";
import type { Check } from "./model.ts";
import { agree, counted, span } from "./words.ts";

const PAGE = 5_000;
const SHOWN = 100;

/** Does Redis have every job that waits in Postgres and could begin? */
export function lineCheck(deps: {
  sql: Sql;
  open: () => Promise<RedisLine>;
  mend: Mender;
  /** How often some process puts back what is missing. */
  reconcileMs: number;
  /** Waiting jobs that are looked at. */
  limit: number;
  repairHint: string;
}): Check {
  const { sql, open, mend, reconcileMs, limit, repairHint } = deps;
  const graceMs = 2 * reconcileMs;

  const withLine = async <T>(work: (line: RedisLine) => Promise<T>): Promise<T> => {
    const line = await open();
    try {
      return await work(line);
    } finally {
      line.close();
    }
  };

  /** Jobs that could begin for longer than it takes to put them back, and are not in the line. */
  const look = async (line: RedisLine): Promise<{ seen: number; absent: QueueEntry[] }> => {
    const before = (await readClock(sql)) - graceMs;
    const absent: QueueEntry[] = [];
    let seen = 0;
    for (let after: LinePosition | null = null; seen < limit; ) {
      const page = await walkLine(sql, after, Math.min(PAGE, limit - seen));
      seen += page.length;
      const due = page.filter(({ isDue, runTime }) => isDue && runTime.getTime() < before);
      const ids = new Set(await line.absent(due.map(({ id }) => id)));
      absent.push(...due.filter(({ id }) => ids.has(id)));
      const last = page.at(-1);
      if (!last || page.length < PAGE) break;
      after = last;
    }
    return { seen, absent };
  };

  return {
    name: "redis line",
    needs: ["redis", "schema"],
    async run() {
      const { seen, absent } = await withLine(look);
      if (absent.length === 0) {
        return [
          { level: "ok", code: "OK", message: `of ${counted(seen, "job")} in the line Redis misses none` },
        ];
      }
      return [
        {
          level: "fault",
          code: "REDIS_MISSES_JOBS",
          message: `${counted(absent.length, "job")} that ${agree(absent.length, "waits", "wait")} in PostgreSQL for more than ${span(graceMs / 1_000)} ${agree(absent.length, "is", "are")} missing in Redis`,
          advice: `Servers and workers with REDIS_URL put such jobs back every ${span(reconcileMs / 1_000)}: see that one runs, and look at its log. ${repairHint}`,
          count: absent.length,
          ids: absent.slice(0, SHOWN).map(({ id }) => id),
          mendable: true,
        },
      ];
    },

    async repair() {
      return await withLine(async (line) => {
        const { absent } = await look(line);
        if (absent.length === 0) return [];
        const ids = await mend({ action: "queue.put_back", resourceType: "job" }, async () => {
          await line.offer(absent);
          return absent.map(({ id }) => id);
        });
        const message = `${counted(ids.length, "job")} put back in the line in Redis`;
        return [{ code: "REDIS_MISSES_JOBS", message, count: ids.length, ids }];
      });
    },
  };
}
