import type { Sql } from "../db/sql.ts";
import { giveLeases, leaseBreaches } from "./lease-queries.ts";
import type { Mender } from "./mender.ts";
import type { Check, Finding, Mend } from "./model.ts";
import type { Sweeper } from "./sweeper.ts";
import { agree, counted, span } from "./words.ts";
import { readProcesses } from "./workers-queries.ts";

export interface LeasesDeps {
  readonly sql: Sql;
  readonly mend: Mender;
  readonly sweeper: Sweeper;
  /** How often servers and workers sweep. */
  readonly sweepMs: number;
  readonly leaseMs: number;
  readonly program: string;
  readonly repairHint: string;
}

/** Does somebody hold every running job, or take it back? */
export function leasesCheck(deps: LeasesDeps): Check {
  const { sql, mend, sweeper, sweepMs, leaseMs, repairHint } = deps;
  const graceMs = 2 * sweepMs;
  return {
    name: "leases",
    needs: ["schema"],
    async run() {
      const breaches = await leaseBreaches(sql, graceMs);
      const of = (code: string) => breaches.filter(({ problem }) => problem === code);
      const [expired, missing, unknown] = [of("LEASE_EXPIRED"), of("LEASE_MISSING"), of("WORKER_UNKNOWN")];
      const findings: Finding[] = [];
      if (expired.length > 0) {
        const oldest = Math.max(...expired.map(({ seconds }) => seconds));
        findings.push({
          ...(await expiredFinding(deps, graceMs, expired.length, oldest)),
          ...named(expired),
        });
      }
      if (missing.length > 0) {
        findings.push({
          level: "fault",
          code: "LEASE_MISSING",
          message: `${counted(missing.length, "running job")} ${agree(missing.length, "has", "have")} no lease, so nothing will ever take ${agree(missing.length, "it", "them")} back`,
          advice: repairHint,
          mendable: true,
          ...named(missing),
        });
      }
      if (unknown.length > 0) {
        findings.push({
          level: "warn",
          code: "WORKER_UNKNOWN",
          message: `${counted(unknown.length, "running job")} ${agree(unknown.length, "is", "are")} held by workers that are not in the table of workers`,
          advice: `The leases end within ${span(leaseMs / 1_000)}, then the jobs are taken back. If the doctor still says this after that, look at the logs of the workers that hold them.`,
          ...named(unknown),
        });
      }
      if (findings.length > 0) return findings;
      return [{ level: "ok", code: "OK", message: "no running job is without a lease" }];
    },

    async repair() {
      const mends: Mend[] = [...(await sweeper.sweep())];
      const given = await mend({ action: "jobs.give_lease", resourceType: "job" }, (tx) =>
        giveLeases(tx, leaseMs),
      );
      if (given.length > 0) {
        mends.push({
          code: "LEASE_MISSING",
          message: `${counted(given.length, "running job")} given a lease of ${span(leaseMs / 1_000)}; unless a worker renews it, the sweep takes ${agree(given.length, "it", "them")} back then`,
          count: given.length,
          ids: given,
        });
      }
      return mends;
    },
  };
}

const named = (breaches: readonly { readonly id: string }[]) => ({
  count: breaches.length,
  ids: breaches.slice(0, 100).map(({ id }) => id),
});

/** Whether that is a fault depends on whether somebody is there, and was for long enough, to sweep. */
async function expiredFinding(
  { sql, program, repairHint }: LeasesDeps,
  graceMs: number,
  count: number,
  oldest: number,
): Promise<Finding> {
  const { connections, upFor } = await readProcesses(sql);
  const what = `${counted(count, "running job")} ${agree(count, "has a lease", "have leases")} that ran out up to ${span(oldest)} ago`;
  const common = { code: "LEASE_EXPIRED", mendable: true };
  if (connections === 0) {
    const message = `${what}, and nothing runs that would take ${agree(count, "it", "them")} back`;
    return {
      ...common,
      level: "warn",
      message,
      advice: `Start \`${program} serve\`, which does. ${repairHint}`,
    };
  }
  if (upFor * 1_000 < graceMs) {
    const message = `${what}; a server or worker has just started and will take ${agree(count, "it", "them")} back`;
    return { ...common, level: "warn", message, advice: `Look again in ${span(graceMs / 1_000)}.` };
  }
  const advice = `The sweep that takes jobs back does not run or fails; the logs of servers and workers tell why. ${repairHint}`;
  return { ...common, level: "fault", message: what, advice };
}
