/** Callers create jobs: new ones, the same once more, another with a request id that was used. */
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { expect } from "vitest";
import type { JobRequest } from "../../../../src/jobs/create.ts";
import { DocumentNotFoundError, RequestIdReusedError } from "../../../../src/jobs/errors.ts";
import type { Job } from "../../../../src/jobs/model.ts";
import type { Caller } from "../../../../src/lib/caller.ts";
import { textRequest } from "../../../support/harness.ts";
import { command, crashOf, crashText, pick, pickOf } from "./arbitraries.ts";
import { created, type Model, type ModelJob } from "./model.ts";
import { type Command, perform } from "./real.ts";
import type { Snapshot } from "./snapshot.ts";

const MAX_JOBS = 4;
const FUTURE = new Date("2100-01-01T00:00:00Z");

const requestParts = fc.record({
  owner: fc.nat(1),
  requestId: fc.constantFrom("", "", "first", "second"),
  priority: fc.constantFrom("NORMAL" as const, "HIGH" as const, "LOW" as const),
  later: fc.constantFrom(false, false, false, true),
  concurrencyKey: fc.constantFrom("", "", "key", "key", "other key"),
  concurrencyLimit: fc.constantFrom(0, 0, 2),
  maxAttempts: fc.constantFrom(0, 1, 2),
  color: fc.constantFrom("", "red"),
  /** On the document of a job that is there, if it is one of the owner's. */
  sharing: fc.constantFrom(false, false, false, true),
  at: pick,
});
type RequestParts = typeof requestParts extends fc.Arbitrary<infer T> ? T : never;

interface Sent {
  readonly caller: Caller;
  readonly request: JobRequest;
}

function requestOf(m: Model, parts: RequestParts): Sent {
  const { owner, later, color, sharing, at, ...plain } = parts;
  const caller = pickOf(m.callers, owner);
  const own = m.jobs.filter((job) => job.owner === caller.userId);
  const serial = String(m.serial++);
  const changes: Partial<JobRequest> = {
    ...plain,
    labels: { serial, ...(color ? { color } : {}) },
    runTime: later ? FUTURE : null,
    ...(sharing && own.length > 0
      ? { source: { kind: "document", documentId: pickOf(own, at).documentId } }
      : {}),
  };
  const request = textRequest(`text ${serial}`, changes);
  if (request.requestId) m.sent.push({ caller, request });
  return { caller, request };
}

/** The job that the owner's request id has made, as long as it is there. */
function madeBefore(m: Model, { caller, request }: Sent): ModelJob | undefined {
  if (request.requestId === "") return undefined;
  return m.jobs.find((job) => job.owner === caller.userId && job.request.requestId === request.requestId);
}

function lacksDocument(m: Model, { request: { source } }: Sent): boolean {
  return source.kind === "document" && !m.jobs.some(({ documentId }) => documentId === source.documentId);
}

/** Follows one request. Answers the check of its answer. */
function follow(m: Model, sent: Sent, seen: Snapshot): (answer: { job: Job } | Error | undefined) => void {
  const { caller, request } = sent;
  if (lacksDocument(m, sent)) return (answer) => expect(answer).toBeInstanceOf(DocumentNotFoundError);
  const before = madeBefore(m, sent);
  if (before && !isDeepStrictEqual(before.request, request))
    return (answer) => expect(answer).toBeInstanceOf(RequestIdReusedError);
  if (!before) {
    const row = seen.jobs.find(({ labels }) => labels.serial === request.labels.serial);
    if (!row) throw new Error(`the job of request ${request.labels.serial} was not created`);
    created(m, caller, request, row);
  }
  const job = before ?? m.jobs.at(-1);
  return (answer) =>
    expect(answer).toMatchObject({ job: { id: job?.id, status: job?.status, attempt: job?.attempt } });
}

function createOf(parts: fc.Arbitrary<RequestParts>): fc.Arbitrary<Command> {
  return fc.tuple(parts, crashOf()).map(([given, crash]) => {
    const {
      owner,
      requestId,
      priority,
      concurrencyKey: key,
      concurrencyLimit: limit,
      later,
      sharing,
    } = given;
    const keyed = key ? `${key} up to ${limit || 1}` : "";
    const how = [
      `owner ${owner}`,
      priority,
      requestId,
      keyed,
      later ? "later" : "",
      sharing ? "sharing" : "",
    ];
    return command(
      `create(${how.filter(Boolean).join(", ")})${crashText(crash)}`,
      (m) => m.jobs.length < MAX_JOBS,
      async (m, r) => {
        const sent = requestOf(m, given);
        await perform(m, r, "create", crash, {
          call: ({ jobs }) => jobs.create(sent.caller, sent.request),
          follow: (seen) => follow(m, sent, seen),
        });
      },
    );
  });
}

export const create = createOf(requestParts);

/** All of one owner and with one key. */
export const createWithKey = createOf(
  requestParts.map((parts) => ({ ...parts, owner: 0, concurrencyKey: "key" })),
);

/** A caller who does not know what became of its request sends it once more. */
export const repeatCreate: fc.Arbitrary<Command> = fc.tuple(pick, crashOf()).map(([at, crash]) =>
  command(
    `repeat create(${at})${crashText(crash)}`,
    (m) => m.sent.length > 0 && m.jobs.length < MAX_JOBS,
    async (m, r) => {
      const sent = pickOf(m.sent, at);
      await perform(m, r, "repeat create", crash, {
        call: ({ jobs }) => jobs.create(sent.caller, sent.request),
        follow: (seen) => follow(m, sent, seen),
      });
    },
  ),
);

/** Two in one transaction; the second may repeat the first. */
export const createBatch: fc.Arbitrary<Command> = fc
  .tuple(requestParts, requestParts, fc.boolean(), crashOf())
  .map(([first, second, same, crash]) =>
    command(
      `create batch(${same ? "twice the same" : "two"})${crashText(crash)}`,
      (m) => m.jobs.length < MAX_JOBS - 1,
      async (m, r) => {
        const one = requestOf(m, same ? { ...first, requestId: first.requestId || "first" } : first);
        const two = same ? one : requestOf(m, { ...second, owner: first.owner });
        await perform(m, r, "create batch", crash, {
          call: ({ jobs }) => jobs.createBatch(one.caller, [one.request, two.request]),
          follow(seen) {
            const checks = [follow(m, one, seen), follow(m, two, seen)];
            return (answers) => {
              if (answers instanceof Error) throw answers;
              for (const [i, check] of checks.entries()) check(answers[i]);
            };
          },
        });
      },
    ),
  );
