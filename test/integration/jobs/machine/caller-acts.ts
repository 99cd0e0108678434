/** Callers cancel, retry and delete jobs, one or many; operators pause and resume the queue. */
import fc from "fast-check";
import { expect } from "vitest";
import {
  JobAlreadyFinalError,
  JobNotFinalError,
  JobNotFoundError,
  JobNotRetryableError,
} from "../../../../src/jobs/errors.ts";
import type { JobFilter } from "../../../../src/jobs/model.ts";
import type { Caller } from "../../../../src/lib/caller.ts";
import type { Services } from "../../../support/harness.ts";
import { command, crashOf, crashText, pick, pickOf } from "./arbitraries.ts";
import { audited, cancelAsked, deleted, isFinal, type Model, type ModelJob, requeued } from "./model.ts";
import { type Command, perform } from "./real.ts";

type ErrorClass = new (...args: never[]) => Error;

/** One verb on one job, as the rules have it. */
interface Verb {
  readonly name: string;
  readonly action: string;
  call(services: Services, caller: Caller, id: string): Promise<unknown>;
  mayNot(job: ModelJob): ErrorClass | null;
  follow(m: Model, job: ModelJob): void;
}

const mayRetry = ({ status }: ModelJob): boolean => status === "FAILED" || status === "CANCELLED";

const cancelFor = (reason: string): Verb => ({
  name: "cancel",
  action: "jobs.cancel",
  call: ({ jobs }, caller, id) => jobs.cancel(caller, id, reason),
  mayNot: (job) => (isFinal(job) ? JobAlreadyFinalError : null),
  follow: (_, job) => cancelAsked(job, reason),
});
const RETRY: Verb = {
  name: "retry",
  action: "jobs.retry",
  call: ({ jobs }, caller, id) => jobs.retry(caller, id),
  mayNot: (job) => (mayRetry(job) ? null : JobNotRetryableError),
  follow: (_, job) => requeued(job),
};
const DELETE: Verb = {
  name: "delete",
  action: "jobs.delete",
  call: ({ jobs }, caller, id) => jobs.delete(caller, id),
  mayNot: (job) => (isFinal(job) ? null : JobNotFinalError),
  follow: (m, job) => deleted(m, job),
};

const target = fc.record({
  at: pick,
  /** Also a job that is not in a state for it, or has been deleted. */
  any: fc.constantFrom(false, false, true),
  who: fc.constantFrom("owner", "owner", "owner", "stranger", "admin"),
});

/** A verb on one job. */
function one(verb: fc.Arbitrary<Verb>): fc.Arbitrary<Command> {
  return fc.tuple(verb, target, crashOf()).map(([act, { at, any, who }, crash]) => {
    const { name, action } = act;
    const targets = (m: Model) =>
      any ? [...m.jobs, ...m.deleted] : m.jobs.filter((job) => act.mayNot(job) === null);
    return command(
      `${name}(${any ? "any" : "fitting"} ${at} by ${who})${crashText(crash)}`,
      (m) => targets(m).length > 0,
      async (m, r) => {
        const { id } = pickOf(targets(m), at);
        const job = m.jobs.find((known) => known.id === id);
        const [first, second, admin] = m.callers;
        const [owner, stranger] = job?.owner === second.userId ? [second, first] : [first, second];
        const caller = { owner, stranger, admin }[who] ?? owner;
        await perform(m, r, name, crash, {
          call: (services) => act.call(services, caller, id),
          follow() {
            const visible = job && caller !== stranger;
            const refusal = visible ? act.mayNot(job) : JobNotFoundError;
            if (refusal) return (answer) => expect(answer).toBeInstanceOf(refusal);
            act.follow(m, job as ModelJob);
            audited(m, action, id, caller);
            return (answer) => {
              if (answer instanceof Error) throw answer;
              if (name !== "delete") expect(answer).toMatchObject({ job: { id, status: job?.status } });
            };
          },
        });
      },
    );
  });
}

export const cancel = one(fc.constantFrom("", "no longer needed").map(cancelFor));
export const retry = one(fc.constant(RETRY));
export const remove = one(fc.constant(DELETE));

/** A verb on the first jobs, by age, that match and that it may change. */
function many(
  { name, action, mayNot, follow }: Verb,
  call: (
    services: Services,
    caller: Caller,
    filter: JobFilter,
    max: number,
  ) => Promise<{ ids: string[]; hasMore: boolean }>,
): fc.Arbitrary<Command> {
  return fc
    .tuple(fc.nat(2), fc.boolean(), fc.integer({ min: 1, max: 4 }), crashOf())
    .map(([by, onlyRed, max, crash]) =>
      command(
        `${name} many(up to ${max} by ${by}${onlyRed ? ", red ones" : ""})${crashText(crash)}`,
        (m) => m.jobs.length > 1,
        async (m, r) => {
          const caller = pickOf(m.callers, by);
          const filter: JobFilter = onlyRed ? { labels: { color: "red" } } : {};
          await perform(m, r, `${name} many`, crash, {
            call: (services) => call(services, caller, filter, max),
            follow() {
              const matching = m.jobs
                .filter((job) => caller === m.callers[2] || job.owner === caller.userId)
                .filter((job) => !onlyRed || job.request.labels.color === "red")
                .filter((job) => mayNot(job) === null && job.status !== "CANCELLING")
                .sort((a, b) => (a.id < b.id ? -1 : 1));
              const chosen = matching.slice(0, max);
              for (const job of chosen) {
                follow(m, job);
                audited(m, action, job.id, caller);
              }
              const answer = { ids: chosen.map(({ id }) => id), hasMore: matching.length > max };
              return (told) => expect(told).toEqual(answer);
            },
          });
        },
      ),
    );
}

export const cancelMany = many(cancelFor(""), ({ jobs }, caller, filter, max) =>
  jobs.cancelMany(caller, filter, max, ""),
);
export const retryMany = many(RETRY, ({ jobs }, caller, filter, max) => jobs.retryMany(caller, filter, max));

function setPause(paused: boolean): fc.Arbitrary<Command> {
  const name = paused ? "pause" : "resume";
  return crashOf().map((crash) =>
    command(
      `${name}${crashText(crash)}`,
      (m) => m.jobs.length > 1 && (paused || m.paused),
      async (m, r) => {
        const caller = m.callers[2];
        await perform(m, r, name, crash, {
          call: ({ system }) => (paused ? system.pause(caller, "") : system.resume(caller)),
          follow() {
            if (m.paused !== paused) audited(m, `queue.${name}`, "", caller);
            m.paused = paused;
            return (stats) => expect(stats).toMatchObject({ pause: { paused } });
          },
        });
      },
    ),
  );
}

export const pause = setPause(true);
export const resume = setPause(false);
