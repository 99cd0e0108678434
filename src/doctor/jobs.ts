import { jobBreaches } from "./job-queries.ts";
import { clearLeases } from "./lease-queries.ts";
import type { Check } from "./model.ts";
import { fault, REPORT_IT, type ScanDeps, scanCheck } from "./scan.ts";
import { agree, counted } from "./words.ts";

/** Do the rows of jobs agree with themselves? */
export function jobsCheck({ sql, scope, mend, repairHint }: ScanDeps): Check {
  return scanCheck({
    name: "jobs",
    needs: ["schema"],
    scope,
    repairHint,
    find: (ids) => jobBreaches(sql, ids),
    problems: {
      END_TIME_MISSING: fault(
        "has ended and lacks the time of its end",
        "have ended and lack the time of their end",
        REPORT_IT,
      ),
      END_TIME_TOO_EARLY: fault(
        "has not ended and has a time of its end",
        "have not ended and have a time of their end",
        REPORT_IT,
      ),
      ERROR_MISSING: fault("has failed and does not say why", "have failed and do not say why", REPORT_IT),
      LEASE_LEFT: {
        ...fault("does not run and still has a lease", "do not run and still have leases", ""),
        mend: {
          message: (count) =>
            `lease taken off ${counted(count, "job")} that ${agree(count, "does", "do")} not run`,
          run: (ids) =>
            mend({ action: "jobs.clear_lease", resourceType: "job" }, (tx) => clearLeases(tx, ids)),
        },
      },
    },
  });
}
