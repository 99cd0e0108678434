/** Attempts end: completed, failed for now or for good, cancelled by order. */
import fc from "fast-check";
import { expect } from "vitest";
import type { Leases } from "../../../../src/jobs/leases.ts";
import { nextAttemptInMs } from "../../../../src/worker/retry.ts";
import type { CrashPoint } from "../../../support/crash-points.ts";
import { failureOf, resultOf } from "../steps.ts";
import { command, crashOf, crashText, pick, pickOf } from "./arbitraries.ts";
import { cancelConfirmed, completed, failed, type Model, type ModelJob } from "./model.ts";
import { type Command, perform, type Real } from "./real.ts";
import { type Working, working } from "./worker-acts.ts";

const LONG_BACKOFF_MS = 3_600_000;

/** One way for an attempt to end. `follow` answers what the worker is to be told. */
interface Ending {
  readonly name: string;
  call(leases: Leases, job: Working, again: boolean): Promise<unknown>;
  follow(job: ModelJob): unknown;
}

export async function endAttempt(
  m: Model,
  r: Real,
  job: Working,
  { name, call, follow }: Ending,
  crash: CrashPoint | null,
): Promise<void> {
  const asWorked = { ...job };
  let answer: unknown = null;
  await perform(m, r, name, crash, {
    call: ({ leases }) => call(leases, asWorked, false),
    follow() {
      answer = follow(job);
      return (told) => expect(told).toEqual(answer);
    },
  });
  // Whoever got no answer asks again: that the attempt has ended so is found, and nothing is written. After a
  // crash it would also let go on what the key of the job held back, which the model leaves to a sweep.
  if (answer && !crash) expect(await call(r.services.leases, asWorked, true)).toEqual(answer);
}

function commandOf(ending: Ending): fc.Arbitrary<Command> {
  return fc.tuple(pick, crashOf()).map(([at, crash]) =>
    command(
      `${ending.name}(${at})${crashText(crash)}`,
      (m) => working(m).length > 0,
      (m, r) => endAttempt(m, r, pickOf(working(m), at), ending, crash),
    ),
  );
}

const textOf = ({ id, attempt }: ModelJob): string => `what attempt ${attempt} made of ${id}`;

export const COMPLETE: Ending = {
  name: "complete",
  call: (leases, job, again) => leases.complete(job.held.claimed, resultOf(textOf(job)), again),
  follow(job) {
    // Lost to a cancel that came first.
    if (job.status !== "PROCESSING") return null;
    completed(job, textOf(job));
    return { orphans: [] };
  },
};

const CONFIRM_CANCEL: Ending = {
  name: "confirm cancel",
  call: (leases, job, again) => leases.cancelled(job.held.claimed, again),
  follow(job) {
    if (job.status !== "CANCELLING") return false;
    cancelConfirmed(job);
    return true;
  },
};

const attemptsOf = ({ request }: ModelJob): number => request.maxAttempts || 3;

/** As the worker decides it: again while attempts are left and it makes sense. */
function failing(name: string, retryable: boolean, when: "now" | "later"): Ending {
  const error = failureOf(retryable);
  return {
    name,
    call(leases, { attempt, held: { claimed } }, again) {
      const { maxAttempts } = claimed.job;
      const wait = nextAttemptInMs({ error, attempt, maxAttempts }, () => 0);
      const backoffMs = when === "now" ? 0 : LONG_BACKOFF_MS;
      return leases.fail(claimed, { error, retryInMs: wait === null ? null : backoffMs }, again);
    },
    follow(job) {
      if (job.status !== "PROCESSING") return null;
      failed(job, error.reason, retryable && job.attempt < attemptsOf(job) ? when : null);
      return job.status;
    },
  };
}

export const complete = commandOf(COMPLETE);
export const confirmCancel = commandOf(CONFIRM_CANCEL);
export const failForGood = commandOf(failing("fail for good", false, "now"));
export const failForNow = commandOf(failing("fail for now", true, "now"));
export const failWithBackoff = commandOf(failing("fail with a long backoff", true, "later"));
