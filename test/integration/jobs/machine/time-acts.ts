/** Time passes, leases run out, the sweep takes back what was lost, and the queue is compared with the rows. */
import type fc from "fast-check";
import { expect } from "vitest";
import type { CrashPoint } from "../../../support/crash-points.ts";
import { command, crashOf, crashText, pick, pickOf } from "./arbitraries.ts";
import { type Model, type ModelJob, takenBack } from "./model.ts";
import { type Command, perform, performHere, type Real } from "./real.ts";

const early = (m: Model): ModelJob[] => m.jobs.filter(({ status, due }) => status === "CREATED" && !due);
const beating = (m: Model): ModelJob[] => m.jobs.filter(({ held }) => held && !held.expired);

export async function becomeDue(m: Model, r: Real, jobs: readonly ModelJob[]): Promise<void> {
  await performHere(m, r, "time passes", async () => {
    for (const job of jobs) {
      await r.sql`update jobs set run_time = now() - interval '1 second' where id = ${job.id}`;
      job.due = true;
      job.writes++;
    }
  });
}

export async function runOut(m: Model, r: Real, jobs: readonly ModelJob[]): Promise<void> {
  await performHere(m, r, "lease runs out", async () => {
    for (const job of jobs) {
      await r.sql`update jobs set lease_until = now() - interval '1 second' where id = ${job.id}`;
      if (job.held) job.held.expired = true;
      job.writes++;
    }
  });
}

export async function sweepUp(m: Model, r: Real, crash: CrashPoint | null): Promise<void> {
  await perform(m, r, "sweep", crash, {
    call: ({ leases }) => leases.sweep(),
    follow() {
      const lost = m.jobs.filter(({ held }) => held?.expired);
      for (const job of lost) takenBack(job);
      const answer = lost.map(({ id, status }) => ({ id, status }));
      return (told) => {
        if (told instanceof Error) throw told;
        expect(told.map(({ id, status }) => ({ id, status })).sort(byId)).toEqual(answer.sort(byId));
      };
    },
  });
}

const byId = (a: { id: string }, b: { id: string }): number => (a.id < b.id ? -1 : 1);

export const timePasses: fc.Arbitrary<Command> = pick.map((at) =>
  command(
    `time passes(${at})`,
    (m) => early(m).length > 0,
    (m, r) => becomeDue(m, r, [pickOf(early(m), at)]),
  ),
);

export const leaseRunsOut: fc.Arbitrary<Command> = pick.map((at) =>
  command(
    `lease runs out(${at})`,
    (m) => beating(m).length > 0,
    (m, r) => runOut(m, r, [pickOf(beating(m), at)]),
  ),
);

export const sweep: fc.Arbitrary<Command> = crashOf().map((crash) =>
  command(
    `sweep${crashText(crash)}`,
    (m) => m.jobs.some(({ held }) => held?.expired),
    (m, r) => sweepUp(m, r, crash),
  ),
);

export async function reconcileQueue(m: Model, r: Real, crash: CrashPoint | null): Promise<void> {
  await perform(m, r, "reconcile", crash, {
    call: ({ queue }) => queue.reconcile(),
    follow() {
      m.loose = false;
      return (told) => expect(told).toMatchObject({ restored: 0 });
    },
  });
}

export const reconcile: fc.Arbitrary<Command> = crashOf().map((crash) =>
  command(
    `reconcile${crashText(crash)}`,
    (m) => m.jobs.some(({ parked }) => parked),
    (m, r) => reconcileQueue(m, r, crash),
  ),
);
