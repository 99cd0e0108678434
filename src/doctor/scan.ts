import type { Sql } from "../db/sql.ts";
import type { Mender } from "./mender.ts";
import type { Check, Finding, Mend } from "./model.ts";
import type { JobScope } from "./scope.ts";
import { agree, counted } from "./words.ts";

/** One job that breaks one rule. */
export interface Breach {
  readonly id: string;
  readonly problem: string;
}

/** What a breach means, and what can be done about it. */
export interface Problem {
  readonly level: "warn" | "fault";
  /** Without the full stop. */
  message(count: number): string;
  readonly advice: string;
  /** For those that can be mended without a person. */
  readonly mend?: {
    message(count: number): string;
    /** Mends these jobs as far as they still have the problem, in one transaction with the audit; answers which. */
    run(ids: readonly string[]): Promise<readonly string[]>;
  };
}

/** What the checks of jobs are made of. */
export interface ScanDeps {
  readonly sql: Sql;
  readonly scope: JobScope;
  readonly mend: Mender;
  readonly repairHint: string;
}

export const REPORT_IT = "That must not happen: please report it, with the log of the time.";

/** A fault of this many jobs, in a sentence whose verb fits. */
export const fault = (one: string, many: string, advice: string): Problem => ({
  level: "fault",
  message: (count) => `${counted(count, "job")} ${agree(count, one, many)}`,
  advice,
});

/** How many ids a finding holds; the count tells how many there are. */
const KEPT_IDS = 100;

/** A check that looks at jobs page by page, and counts which rules they break. */
export function scanCheck({
  name,
  needs,
  scope,
  find,
  problems,
  repairHint,
}: {
  name: string;
  needs: readonly string[];
  scope: JobScope;
  /** The breaches among these jobs, seen at one moment. */
  find(ids: readonly string[]): Promise<readonly Breach[]>;
  problems: Readonly<Record<string, Problem>>;
  /** What to do where the check can mend. */
  repairHint: string;
}): Check {
  const run = async (): Promise<Finding[]> => {
    const tally = new Map<string, { count: number; ids: string[] }>();
    for await (const page of scope.pages()) {
      for (const { id, problem } of await find(page)) {
        const kept = tally.get(problem) ?? { count: 0, ids: [] };
        tally.set(problem, kept);
        kept.count++;
        if (kept.ids.length < KEPT_IDS) kept.ids.push(id);
      }
    }
    const findings = Object.entries(problems).flatMap(([code, problem]): Finding[] => {
      const found = tally.get(code);
      if (!found) return [];
      const { level, advice, mend } = problem;
      return [
        {
          level,
          code,
          message: problem.message(found.count),
          advice: mend ? `${advice} ${repairHint}`.trim() : advice,
          ...found,
          ...(mend ? { mendable: true } : {}),
        },
      ];
    });
    if (findings.length > 0) return findings;
    return [{ level: "ok", code: "OK", message: `looked at ${await scope.told()}` }];
  };

  const repair = async (): Promise<Mend[]> => {
    const mended = new Map<string, string[]>();
    for await (const page of scope.pages()) {
      const breaches = await find(page);
      for (const [code, { mend }] of Object.entries(problems)) {
        const ids = breaches.filter(({ problem }) => problem === code).map(({ id }) => id);
        if (!mend || ids.length === 0) continue;
        const done = await mend.run(ids);
        if (done.length > 0) mended.set(code, [...(mended.get(code) ?? []), ...done]);
      }
    }
    return [...mended].map(([code, ids]) => ({
      code,
      message: problems[code]?.mend?.message(ids.length) ?? code,
      count: ids.length,
      ids: ids.slice(0, KEPT_IDS),
    }));
  };

  const mends = Object.values(problems).some(({ mend }) => mend !== undefined);
  return { name, needs, run, ...(mends ? { repair } : {}) };
}
