/** Workers claim jobs, keep their leases, and hand them back. */
import fc from "fast-check";
import { expect } from "vitest";
import type { Beat, WorkerFacts } from "../../../../src/jobs/heartbeats.ts";
import type { ClaimedJob, Lease } from "../../../../src/jobs/leases.ts";
import type { CrashPoint } from "../../../support/crash-points.ts";
import type { Services } from "../../../support/harness.ts";
import { command, crashOf, crashText, pick, pickOf } from "./arbitraries.ts";
import { begun, canBegin, type Held, limitOf, type Model, type ModelJob, released } from "./model.ts";
import { type Command, perform, type Real } from "./real.ts";
import type { Snapshot } from "./snapshot.ts";

const WORKERS = ["worker 1", "worker 2", "worker 3"];

/** A job that a worker knows that it holds. */
export type Working = ModelJob & { held: Held & { claimed: ClaimedJob } };

export function working(m: Model, worker?: string): Working[] {
  return m.jobs.filter(
    (job): job is Working => !!job.held?.claimed && (worker === undefined || job.held.worker === worker),
  );
}

export const factsOf = (id: string): WorkerFacts => ({
  id,
  host: "host",
  version: "1",
  pid: 1,
  concurrency: 4,
  running: 1,
  draining: false,
});

/** Which jobs are begun first is not the model's matter; that each of them might begin, and how many, is. */
function begin(m: Model, seen: Snapshot, worker: string, limit: number): ModelJob[] {
  const tokens = new Map(seen.jobs.map(({ id, token }) => [id, token]));
  // If they may begin in any order, then in this one.
  const chosen = m.jobs
    .filter(({ id, status }) => status === "CREATED" && tokens.get(id))
    .sort((a, b) => limitOf(a) - limitOf(b));
  for (const job of chosen) {
    if (!canBegin(m, job)) throw new Error(`job ${job.id} was begun, which it must not be`);
    begun(job, worker, { jobId: job.id, token: tokens.get(job.id) ?? "" });
  }
  if (chosen.length > limit) throw new Error(`${chosen.length} jobs were begun instead of ${limit}`);
  return chosen;
}

export async function claimJobs(
  m: Model,
  r: Real,
  worker: string,
  limit: number,
  crash: CrashPoint | null,
): Promise<void> {
  const some = m.jobs.some((job) => !job.parked && canBegin(m, job));
  await perform(m, r, "claim", crash, {
    call: ({ leases }) => leases.claim(worker, limit, Date.now),
    follow(seen) {
      const chosen = begin(m, seen, worker, limit);
      return (answer, crashed) => {
        if (answer instanceof Error) throw answer;
        const told = answer.map(({ lease }) => lease.jobId).sort();
        const ids = chosen.map(({ id }) => id).sort();
        // After a crash the worker goes on with those that it knows of.
        if (crashed) expect(ids).toEqual(expect.arrayContaining(told));
        else expect(told).toEqual(ids);
        if (!crashed) expect(told.length > 0, "something is begun when something may begin").toBe(some);
        for (const claimed of answer) {
          const { attempt, held } = chosen.find(({ id }) => id === claimed.job.id) ?? {};
          expect(claimed).toMatchObject({ job: { attempt, status: "PROCESSING" }, lease: held?.lease });
          if (held) held.claimed = claimed;
        }
      };
    },
  });
}

export const claim: fc.Arbitrary<Command> = fc
  .tuple(fc.nat(2), fc.integer({ min: 1, max: 4 }), crashOf())
  .map(([at, limit, crash]) =>
    command(
      `claim(up to ${limit} by ${pickOf(WORKERS, at)})${crashText(crash)}`,
      (m) => m.jobs.some(({ status }) => status === "CREATED"),
      (m, r) => claimJobs(m, r, pickOf(WORKERS, at), limit, crash),
    ),
  );

/** All leases that a worker believes to hold: those that it does, and one that it has lost. */
function believed(m: Model, worker: string): { held: Working[]; lost: Lease[] } {
  const lost = m.jobs.flatMap(({ former }) => former.at(-1) ?? []).slice(0, 1);
  return { held: working(m, worker), lost };
}

/** An act of a worker that is about all of its leases at once. */
function ofAll<T>(
  name: string,
  call: (services: Services, worker: string, held: readonly Lease[]) => Promise<readonly T[]>,
  follow: (held: Working[]) => { answer: T[]; idOf(item: T): string },
): fc.Arbitrary<Command> {
  return fc.tuple(pick, crashOf()).map(([at, crash]) =>
    command(
      `${name}(the worker of ${at})${crashText(crash)}`,
      (m) => working(m).length > 0,
      async (m, r) => {
        const { worker } = pickOf(working(m), at).held;
        const { held, lost } = believed(m, worker);
        const named = [...held.map((job) => job.held.lease), ...lost];
        await perform(m, r, name, crash, {
          call: (services) => call(services, worker, named),
          follow() {
            const { answer, idOf } = follow(held);
            const sorted = (list: readonly T[]) => list.toSorted((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
            return (told) => {
              if (told instanceof Error) throw told;
              expect(sorted(told)).toEqual(sorted(answer));
            };
          },
        });
      },
    ),
  );
}

export const heartbeat = ofAll<Beat["leases"][number]>(
  "heartbeat",
  async ({ heartbeats }, worker, named) => (await heartbeats.renew(factsOf(worker), named)).leases,
  (held) => {
    for (const job of held) {
      job.held.expired = false;
      job.writes++;
    }
    const answer = held.map(({ status, held: { lease } }) => {
      return { token: lease.token, cancel: status === "CANCELLING", renewed: true };
    });
    return { answer, idOf: ({ token }) => token };
  },
);

export const release = ofAll<string>(
  "release",
  ({ leases }, _, named) => leases.release(named),
  (held) => {
    const handedBack = held.filter(({ status }) => status === "PROCESSING");
    for (const job of handedBack) released(job);
    return { answer: handedBack.map(({ id }) => id), idOf: (id) => id };
  },
);
