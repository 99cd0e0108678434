import { eventBreaches, raiseSequences } from "./event-queries.ts";
import type { Check } from "./model.ts";
import { fault, REPORT_IT, type ScanDeps, scanCheck } from "./scan.ts";
import { counted } from "./words.ts";

/** Is the log of every job whole, and does it end when the job does? */
export function eventsCheck({ sql, scope, mend, repairHint }: ScanDeps): Check {
  return scanCheck({
    name: "events",
    needs: ["schema"],
    scope,
    repairHint,
    find: (ids) => eventBreaches(sql, ids),
    problems: {
      SEQUENCE_GAP: fault(
        "has gaps among its events",
        "have gaps among their events",
        `Those who watch miss events there. ${REPORT_IT}`,
      ),
      LAST_SEQUENCE_LOW: {
        ...fault(
          "has events beyond its last sequence",
          "have events beyond their last sequence",
          "Its next event would be refused.",
        ),
        mend: {
          message: (count) => `last sequence of ${counted(count, "job")} raised to that of the last event`,
          run: (ids) =>
            mend({ action: "jobs.raise_sequence", resourceType: "job" }, (tx) => raiseSequences(tx, ids)),
        },
      },
      LAST_SEQUENCE_HIGH: fault(
        "lacks its last events",
        "lack their last events",
        `Those who watch wait for them. ${REPORT_IT}`,
      ),
      FINAL_EVENT_MISSING: fault(
        "has ended without a final event",
        "have ended without a final event",
        `Those who watch do not learn of the end; GetJob tells it. ${REPORT_IT}`,
      ),
      FINAL_EVENT_TWICE: fault(
        "has more than one final event since it was last in the line",
        "have more than one final event since they were last in the line",
        `Those who watch saw the first. ${REPORT_IT}`,
      ),
      FINAL_EVENT_TOO_EARLY: fault(
        "has a final event and has not ended",
        "have a final event and have not ended",
        `Those who watch think that it has ended. ${REPORT_IT}`,
      ),
      FINAL_EVENT_OTHER: fault(
        "ends with an event that does not tell its status",
        "end with an event that does not tell their status",
        REPORT_IT,
      ),
    },
  });
}
