import type { Sql } from "../db/sql.ts";
import { pageOfJobs, type RecentJobs, recentJobs } from "./scope-queries.ts";
import { counted } from "./words.ts";

/** Which jobs the checks of jobs look at. */
export interface JobScope {
  /** Their ids in pages of at most `PAGE`, the most important first. */
  pages(): AsyncIterable<readonly string[]>;
  /** What they are, for people: `every job (37)`. Also says how to look at more. */
  told(): Promise<string>;
}

/** Bounds the work of one statement. */
const PAGE = 1_000;

const every = (jobs: number): string => `every job (${jobs.toLocaleString("en")})`;

/** With `all` every job, else those that are open and the `recent` newest of those that ended. */
export function createJobScope({ sql, all, recent }: { sql: Sql; all: boolean; recent: number }): JobScope {
  let found: Promise<RecentJobs> | null = null;
  // Read once, so that all checks look at the same jobs.
  const read = (): Promise<RecentJobs> => (found ??= recentJobs(sql, recent));
  let counts = 0;

  return {
    async *pages() {
      if (!all) {
        const { ids } = await read();
        for (let at = 0; at < ids.length; at += PAGE) yield ids.slice(at, at + PAGE);
        return;
      }
      counts = 0;
      let page: string[] = [];
      do {
        page = await pageOfJobs(sql, page.at(-1) ?? null, PAGE);
        counts += page.length;
        if (page.length > 0) yield page;
      } while (page.length === PAGE);
    },

    async told() {
      if (all) return every(counts);
      const { open, ended, allOpen, complete } = await read();
      if (complete) return every(open + ended);
      const some = allOpen ? counted(open, "open job") : `${open.toLocaleString("en")} of the open jobs`;
      return `${some} and the newest ${ended.toLocaleString("en")} that ended; --all looks at every one`;
    },
  };
}
