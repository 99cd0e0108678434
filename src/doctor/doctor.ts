import { messageOf } from "../lib/errors.ts";
import type { Check, Finding, Mend, Outcome, Report } from "./model.ts";

export interface ExamineOptions {
  /** Mend what can be mended safely. */
  readonly repair: boolean;
  /** How long one check may take before it counts as a fault and is left alone. */
  readonly deadlineMs: number;
  /** Called as each check ends, in their order. */
  readonly tell: (report: Report) => void;
}

/**
 * Runs the checks one after another, so that a later one sees what an earlier one has mended. Never throws: a check
 * that fails, or gives no answer in time, is a fault itself.
 */
export async function examine(
  checks: readonly Check[],
  { repair, deadlineMs, tell }: ExamineOptions,
): Promise<Outcome> {
  const broken = new Set<string>();
  const outcome = { checks: checks.length, skipped: 0, warnings: 0, faults: 0, mended: 0 };
  for (const check of checks) {
    const needed = check.needs?.find((name) => broken.has(name));
    if (needed !== undefined) {
      broken.add(check.name);
      outcome.skipped++;
      tell({ check: check.name, skipped: needed });
      continue;
    }
    const { findings, mends } = await visit(check, repair, deadlineMs);
    const faults = findings.filter(({ level }) => level === "fault").length;
    if (faults > 0) broken.add(check.name);
    outcome.faults += faults;
    outcome.warnings += findings.filter(({ level }) => level === "warn").length;
    outcome.mended += mends.length;
    tell({ check: check.name, findings, mends });
  }
  return outcome;
}

async function visit(
  check: Check,
  repair: boolean,
  deadlineMs: number,
): Promise<{ findings: readonly Finding[]; mends: readonly Mend[] }> {
  const look = () => tried(check.run(), deadlineMs, "CHECK_FAILED", "could not be looked at");
  const found = await look();
  if (!repair || !check.repair || !found.some(({ mendable }) => mendable)) {
    return { findings: found, mends: [] };
  }
  let mends: readonly Mend[] = [];
  const done = check.repair().then((answer) => {
    mends = answer;
    return [];
  });
  const failure = await tried(done, deadlineMs, "MEND_FAILED", "could not be mended");
  // What is wrong now, not what was.
  return { findings: [...failure, ...(await look())], mends };
}

/** What the work answers, or one fault that says why it did not. */
async function tried(
  work: Promise<readonly Finding[]>,
  deadlineMs: number,
  code: string,
  what: string,
): Promise<readonly Finding[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${deadlineMs / 1000} s`)), deadlineMs);
  });
  try {
    return await Promise.race([work, late]);
  } catch (error) {
    return [{ level: "fault", code, message: `${what}: ${messageOf(error)}` }];
  } finally {
    clearTimeout(timer);
  }
}
