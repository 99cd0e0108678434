import type { Database } from "../db/sql.ts";
import { isPaused, type LinePosition, walkLine } from "./line-queries.ts";
import { newestInLine, readPlace, writePlace } from "./reconcile-queries.ts";
import type { QueueScripts } from "./redis-scripts.ts";

/** Jobs of one page of the walk along the line, and of the stretch that one turn walks. */
const PAGE = 5_000;
const STRETCH = 20_000;
/** Who entered so lately is looked at in every turn. */
const LATELY_MS = 60_000;
const NEWEST = 10_000;

/** Offers Redis what waits in Postgres; what it has already stays where it is. */
export function createRedisWalk({ db, scripts }: { db: Database; scripts: QueueScripts }) {
  /** Offers what waits after `from`, up to `most` jobs. Answers up to where; null is the end of the line. */
  const walk = async (
    from: LinePosition | null,
    most: number,
  ): Promise<{ restored: number; upTo: LinePosition | null }> => {
    let restored = 0;
    let upTo = from;
    for (let walked = 0; walked < most; walked += PAGE) {
      const page = await walkLine(db.sql, upTo, PAGE);
      restored += await scripts.push(page, "missing");
      const last = page.at(-1);
      if (page.length < PAGE || !last) return { restored, upTo: null };
      upTo = { rank: last.rank, ownerId: last.ownerId, runTime: last.runTime, id: last.id };
    }
    return { restored, upTo };
  };

  return {
    /** Everything that waits. `complete` is false when Redis has lost something on the way: then it is to be made again. */
    async whole(): Promise<{ restored: number; complete: boolean }> {
      const name = await scripts.begin();
      const { restored } = await walk(null, Number.POSITIVE_INFINITY);
      return { restored, complete: await scripts.mark(await isPaused(db.sql), name) };
    },

    /**
     * The next 20,000 jobs of the line, from where the process that had the turn before has stopped; and those that
     * were created lately, whose place in a long line is far away. Answers how many Redis missed.
     */
    async stretch(): Promise<number> {
      const newest = await scripts.push(await newestInLine(db.sql, LATELY_MS, NEWEST), "missing");
      const { restored, upTo } = await walk(await readPlace(db.sql, "line"), STRETCH);
      await writePlace(db.sql, "line", upTo);
      return newest + restored;
    },
  };
}
