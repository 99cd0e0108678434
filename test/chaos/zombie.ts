import type { Arena, Struck } from "./arena.ts";
import type { Worker } from "./fleet.ts";
import { comes, type Hold, heldBy, look, takenOver } from "./recovery.ts";

/** How a worker is taken away, and when. */
export interface Disappearance {
  away(): void;
  back(): void;
  /** True for a job in whose middle the worker shall be taken away. */
  isRipe(hold: Hold): boolean;
}

/** Created for a worker that has no long job; one of them is likely to come to it. */
const LONG_JOBS = 4;
const LONG_JOBS_AGAIN_MS = 4_000;
const RIPE_MS = 15_000;
const TAKEOVER_MS = 30_000;
const REFUSED_MS = 20_000;
const AT_WORK_MS = 30_000;
/** Between two looks, where a moment must be hit. */
const CLOSE_LOOK_MS = 20;
/** Stages that take a while for a long document: another worker that takes the job over is still in the same one. */
const LONG_STAGES = ["extract", "enrich", "chunk"];

export function isInLongStage({ size, stage }: Hold): boolean {
  return size === "long" && stage !== null && LONG_STAGES.includes(stage);
}

export function isAboutToComplete({ size, isComplete }: Hold): boolean {
  return size === "long" && isComplete;
}

/**
 * Takes a worker away in the middle of a long job for longer than its lease, and lets it come back when another worker
 * is in the middle of that job: whatever it then writes for it must be refused, and it must go on with other jobs.
 */
export async function makeZombie(arena: Arena, worker: Worker, how: Disappearance): Promise<Struck> {
  const { fleet } = arena;
  let since = 0;
  let holds: Hold[] = [];
  let rerun: string[] = [];
  try {
    ({ since, holds } = await takeAway(arena, worker, how));
    await comes(
      async () => {
        ({ rerun } = await look(fleet, holds));
        return rerun.length > 0;
      },
      TAKEOVER_MS,
      CLOSE_LOOK_MS,
    );
  } finally {
    how.back();
  }
  const awayMs = performance.now() - since;
  const wokeAt = await timeOf(arena);
  const recoveredMs = await takenOver(fleet, holds, since);
  const refusals = (): number => {
    const lost = lostAttempts(worker);
    // Since the claim: after an outage a worker may have given up an attempt whose lease still stands.
    const claims = holds.filter(({ id }) => rerun.includes(id));
    return claims.filter(({ id, since }) => lost.some((line) => line.jobId === id && line.time >= since))
      .length;
  };
  const refused = await comes(() => refusals() === rerun.length, REFUSED_MS);
  const works = await comes(() => worksSince(arena, worker, wokeAt), AT_WORK_MS);
  return {
    hit: holds.length,
    recoveredMs,
    zombie: { rerun: rerun.length, refused: refusals() },
    note: `away for ${(awayMs / 1000).toFixed(1)} s, ${rerun.length} of ${holds.length} jobs were under way again by then, ${refusals()} attempts refused`,
    faults: [
      ...(refused ? [] : [`a zombie was not refused: ${worker.name}, ${rerun.join(", ")}`]),
      ...(works ? [] : [`a zombie did not go back to work: ${worker.name}`]),
    ],
  };
}

/** Takes the worker away when one of its jobs is ripe, and answers what it holds then; after a while anyway. */
async function takeAway(
  { fleet, load }: Arena,
  worker: Worker,
  { away, back, isRipe }: Disappearance,
): Promise<{ since: number; holds: Hold[] }> {
  const endsAt = performance.now() + RIPE_MS;
  let askedAt = Number.NEGATIVE_INFINITY;
  for (;;) {
    const seen = await heldBy(fleet, worker);
    const ripe = seen.filter(isRipe);
    const isLate = performance.now() > endsAt;
    if (ripe.length > 0 || isLate) {
      away();
      const since = performance.now();
      // What it had ended by then it has ended; the rest is what it held when it fell silent.
      const holds = await heldBy(fleet, worker);
      if (isLate || holds.some(({ token }) => ripe.some((hold) => hold.token === token))) {
        return { since, holds };
      }
      back();
    }
    if (!seen.some(({ size }) => size === "long") && performance.now() - askedAt > LONG_JOBS_AGAIN_MS) {
      load.wantLong(LONG_JOBS);
      askedAt = performance.now();
    }
    await comes(() => false, CLOSE_LOOK_MS, CLOSE_LOOK_MS);
  }
}

/** The attempts of which the worker says that they ended because their leases were lost. */
function lostAttempts(worker: Worker): { jobId: string; time: Date }[] {
  return worker.stderr.split("\n").flatMap((line) => {
    if (!line.includes('"outcome":"lost"') || !line.endsWith("}")) return [];
    const { jobId, time } = JSON.parse(line) as { jobId: string; time: string };
    return [{ jobId, time: new Date(time) }];
  });
}

async function timeOf({ fleet }: Arena): Promise<Date> {
  const [row] = await fleet.postgres.ask((sql) => sql<[{ time: Date }]>`select clock_timestamp() as time`);
  return row.time;
}

async function worksSince({ fleet }: Arena, { pid }: Worker, time: Date): Promise<boolean> {
  const rows = await fleet.postgres.ask(
    (sql) => sql`select from jobs where locked_by like ${`%-${pid}-%`} and locked_at > ${time} limit 1`,
  );
  return rows.length > 0;
}
