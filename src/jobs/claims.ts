import { type Database, sqlState } from "../db/sql.ts";
import type { Claim } from "../queue/queue.ts";
import { type ClaimedJob, claimJobs } from "./claim-queries.ts";

const CLAIM_SETTINGS = {
  // A claim that a crash of the server loses leaves its jobs waiting.
  synchronous_commit: "off",
  // The claim hops along an index and takes a few rows by their ids. Statistics of a table that changes as fast as
  // this one sometimes promise more of reading it whole; these leave the planner no such choice.
  enable_seqscan: "off",
  enable_bitmapscan: "off",
  enable_hashjoin: "off",
  enable_mergejoin: "off",
  // Whatever the parameters, the plan is the same; making it anew would cost more than running it.
  plan_cache_mode: "force_generic_plan",
  jit: "off",
};
const UNIQUE_VIOLATION = "23505";
const DEADLOCK = "40P01";
const MAX_TRIES = 5;

/** Claims on a connection of their own, which waits behind nobody's statements. */
export function createClaims({ db, leaseMs }: { db: Database; leaseMs: number }): Claim<ClaimedJob> {
  const { sql } = db.dedicated({
    name: "claim",
    max: 1,
    statementTimeoutMs: 10_000,
    settings: CLAIM_SETTINGS,
  });
  return async (workerId, selection) => {
    for (let tries = 1; ; tries++) {
      try {
        return await claimJobs(sql, { workerId, leaseMs, selection });
      } catch (error) {
        // Another worker has begun jobs with the same concurrency keys at this moment; now they are seen.
        if (![UNIQUE_VIOLATION, DEADLOCK].includes(sqlState(error)) || tries === MAX_TRIES) throw error;
      }
    }
  };
}
