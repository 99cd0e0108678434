import { documentBreaches, resultBreaches } from "./job-queries.ts";
import type { Check } from "./model.ts";
import { fault, REPORT_IT, type ScanDeps, scanCheck } from "./scan.ts";

/** Has every completed job its result, and no other job one? */
export function resultsCheck({ sql, scope, repairHint }: ScanDeps): Check {
  const again = "Submit its document again, and delete the job.";
  return scanCheck({
    name: "results",
    needs: ["schema"],
    scope,
    repairHint,
    find: (ids) => resultBreaches(sql, ids),
    problems: {
      RESULT_MISSING: fault("is completed and has no result", "are completed and have no result", again),
      CONTENT_MISSING: fault(
        "is completed and its result lacks its text or another format",
        "are completed and their results lack their text or another format",
        again,
      ),
      RESULT_TOO_EARLY: fault(
        "is not completed and has a result",
        "are not completed and have a result",
        REPORT_IT,
      ),
    },
  });
}

/** Has every job a document to read? */
export function documentsCheck({ sql, scope, repairHint }: ScanDeps): Check {
  return scanCheck({
    name: "documents",
    needs: ["schema"],
    scope,
    repairHint,
    find: (ids) => documentBreaches(sql, ids),
    problems: {
      BYTES_MISSING: fault(
        "is open and its document has no bytes",
        "are open and their documents have no bytes",
        "It will fail: cancel it, and submit the document again.",
      ),
      BYTES_MISSING_ENDED: {
        ...fault(
          "has ended and its document has no bytes any more",
          "have ended and their documents have no bytes any more",
          "It cannot be run again.",
        ),
        level: "warn",
      },
    },
  });
}
