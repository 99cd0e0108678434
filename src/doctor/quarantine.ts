import type { Sql } from "../db/sql.ts";
import { quarantinedJobs } from "./job-queries.ts";
import type { Check } from "./model.ts";
import { agree, counted } from "./words.ts";

/** Tells of jobs that were set aside because they took down their workers. */
export function quarantineCheck({
  sql,
  recent,
  program,
}: {
  sql: Sql;
  recent: number;
  program: string;
}): Check {
  return {
    name: "quarantine",
    needs: ["schema"],
    async run() {
      const jobs = await quarantinedJobs(sql, recent);
      const [newest] = jobs;
      if (!newest) return [{ level: "ok", code: "OK", message: "no job was set aside within the last day" }];
      return [
        {
          level: "info",
          code: "QUARANTINED",
          message: `${counted(jobs.length, "job")} ${agree(jobs.length, "was", "were")} set aside within the last day. The newest says: "${newest.message.replace(/\.$/, "")}". Set aside`,
          advice: `Look at the documents before you run them again with \`${program} jobs retry\`.`,
          count: jobs.length,
          ids: jobs.slice(0, 100).map(({ id }) => id),
        },
      ];
    },
  };
}
