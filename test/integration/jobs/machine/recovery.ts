/** The end of a run: with no further fault the product brings every job to its end by itself. */
import { expect } from "vitest";
import { COMPLETE } from "./endings.ts";
import { audited, isFinal, isRunning, type Model } from "./model.ts";
import { addTo, perform, performHere, type Real } from "./real.ts";
import { becomeDue, reconcileQueue, runOut, sweepUp } from "./time-acts.ts";
import { claimJobs, working } from "./worker-acts.ts";

const AT_ONCE = 6;
/** One claim begins at least one job, and a run has few of them. */
const MAX_ROUNDS = 20;

/** All at once, each by itself. */
async function completeAll(m: Model, r: Real): Promise<void> {
  const jobs = working(m);
  await performHere(m, r, "complete at once", async () => {
    const answers = await Promise.all(jobs.map((job) => COMPLETE.call(r.services.leases, job, false)));
    expect(answers).toEqual(jobs.map(COMPLETE.follow));
  });
}

/** Workers are gone, so their leases run out; a new one takes what waits. Then every job is final. */
export async function recover(m: Model, r: Real): Promise<void> {
  if (m.paused) {
    await perform(m, r, "resume", null, {
      call: ({ system }) => system.resume(m.callers[2]),
      follow() {
        m.paused = false;
        audited(m, "queue.resume", "", m.callers[2]);
        return () => {};
      },
    });
  }
  const early = m.jobs.filter(({ status, due }) => status === "CREATED" && !due);
  if (early.length > 0) await becomeDue(m, r, early);
  const held = m.jobs.filter(isRunning);
  if (held.length > 0) {
    await runOut(m, r, held);
    await sweepUp(m, r, null);
  }
  for (let round = 0; m.jobs.some(({ status }) => status === "CREATED"); round++) {
    expect(round, "every round begins a job").toBeLessThan(MAX_ROUNDS);
    if (m.jobs.some(({ parked }) => parked)) await reconcileQueue(m, r, null);
    await claimJobs(m, r, "the last worker", AT_ONCE, null);
    await completeAll(m, r);
  }
  expect(m.jobs.every(isFinal)).toBe(true);
  for (const event of m.jobs.flatMap(({ events }) => events)) {
    const transition = event.replace(/, attempt \d+/, "");
    addTo(r.counts, `seen: ${transition}`);
  }
}
