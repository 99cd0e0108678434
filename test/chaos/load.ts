import { setTimeout as sleep } from "node:timers/promises";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { JobPriority, type Sluice } from "@sluice/sdk";
import { type Book, insist } from "./book.ts";
import type { Fleet } from "./fleet.ts";
import { retryQuarantined } from "./operator.ts";
import type { Watches } from "./watches.ts";
import { type JobSpec, specOf } from "./work.ts";

/** Clients that create jobs at both servers, and cancel, retry and watch some. */
export interface Load {
  /** Has the next jobs be long and of high priority, and created at once. */
  wantLong(jobs: number): void;
  /** Creates what is missing to the total, without a pause, and waits until every call is answered. */
  finish(): Promise<void>;
}

export interface LoadOptions {
  readonly fleet: Fleet;
  readonly book: Book;
  readonly watches: Watches;
  readonly seed: number;
  readonly jobs: number;
  /** The jobs are spread over this time. */
  readonly overMs: number;
}

const CREATORS_A_SERVER = 2;
/** With so many jobs waiting the clients pause: what a fault has thrown back shall not wait behind hundreds. */
const BACKLOG = 12;
const BATCH = 5;
const BATCH_TEXT = 64 * 1024;
const ONE_IN = 15;
/** Streams that are open from the beginning, on jobs that may run only later. */
const LONG_WATCHES = 8;
const PRIORITY = { high: JobPriority.HIGH, normal: JobPriority.NORMAL, low: JobPriority.LOW };

export function startLoad({ fleet, book, watches, seed, jobs, overMs }: LoadOptions): Load {
  const began = performance.now();
  const background = new Set<Promise<void>>();
  let taken = 0;
  let urgent = 0;
  let nextAt = began;
  let waiting = 0;
  let finishing = false;

  const guarded = (work: Promise<unknown>): Promise<void> =>
    work.then(
      () => {},
      (error) => void book.complaints.push(`a client failed: ${error}`),
    );
  const later = (work: Promise<void>): void => {
    const noted = guarded(work).finally(() => background.delete(noted));
    background.add(noted);
  };

  const take = (count: number): JobSpec[] =>
    Array.from({ length: count }, () => {
      const isUrgent = urgent > 0;
      if (isUrgent) urgent--;
      return specOf(seed, taken++, fleet.keys.length, isUrgent);
    });

  /** Waits for this creator's turn; false when there is nothing more to create. */
  const turn = async (): Promise<boolean> => {
    for (;;) {
      if (finishing && taken >= jobs) return false;
      const now = performance.now();
      if (urgent > 0) return true;
      if (waiting < BACKLOG && (now >= nextAt || finishing)) {
        // After the last job some more: recovery is seen by what is created after a fault.
        const gap = taken < jobs ? Math.max(10, (began + overMs - now) / (jobs - taken)) : 500;
        nextAt = Math.max(nextAt, now - 1_000) + Math.min(gap, 500);
        return true;
      }
      await sleep(20);
    }
  };

  const known = (server: number, spec: JobSpec, id: string): void => {
    book.acknowledged.set(id, spec);
    const other = fleet.client((server + 1) % fleet.servers.length, spec.owner);
    if (spec.watch) watches.open(other, id);
    if (spec.cancelAfterMs !== null) later(cancel(book, other, id, spec));
    if (spec.repeat) later(repeat(book, other, id, spec, seed));
  };

  const creator = async (server: number): Promise<void> => {
    while (await turn()) {
      const inBatch = taken % ONE_IN === 0 && urgent === 0;
      const specs = take(inBatch ? BATCH : 1);
      const owner = specs[0]?.owner ?? 0;
      const sluice = fleet.client(server, owner);
      if (inBatch) {
        // One owner's, and together well below the largest message.
        const together = specs.map((spec) => ({ ...spec, owner, text: spec.text.slice(0, BATCH_TEXT) }));
        const requests = together.map((spec) => requestOf(spec, seed));
        const answer = await insist(book, `batch from ${specs[0]?.n}`, () =>
          sluice.jobs.batchCreateJobs({ requests }),
        );
        answer?.results.forEach(({ outcome }, i) => {
          const spec = together[i];
          if (outcome.case === "job" && spec) known(server, spec, outcome.value.id);
          else
            book.complaints.push(
              `job ${spec?.n} of a batch: ${outcome.value && "message" in outcome.value ? outcome.value.message : "no outcome"}`,
            );
        });
      } else {
        for (const spec of specs) {
          const answer = await insist(book, `create of job ${spec.n}`, () =>
            sluice.jobs.createJob(requestOf(spec, seed)),
          );
          if (answer?.job) known(server, spec, answer.job.id);
        }
      }
      book.answers[server] = (book.answers[server] ?? 0) + 1;
    }
  };

  const delayed = async (place: number): Promise<void> => {
    const server = place % fleet.servers.length;
    const [spec] = take(1);
    if (!spec) return;
    const runTime = timestampFromDate(new Date(Date.now() + (overMs * (place + 1)) / LONG_WATCHES));
    const plain = { ...spec, cancelAfterMs: null, repeat: false, watch: true };
    const sluice = fleet.client(server, spec.owner);
    const request = { ...requestOf(plain, seed), runTime };
    const answer = await insist(book, `create of job ${spec.n}`, () => sluice.jobs.createJob(request));
    if (answer?.job) known(server, plain, answer.job.id);
  };

  const creators = Promise.all([
    ...Array.from({ length: LONG_WATCHES }, (_, place) => guarded(delayed(place))),
    ...fleet.servers.flatMap((_, server) =>
      Array.from({ length: CREATORS_A_SERVER }, () => guarded(creator(server))),
    ),
  ]);
  let ended = false;
  const count = async (): Promise<void> => {
    while (!ended) {
      const [row] = await fleet.postgres.ask(
        (sql) => sql<[{ waiting: number }]>`select count(*)::int as waiting from jobs
          where status = 'CREATED' and run_time <= now()`,
      );
      waiting = row.waiting;
      await retryQuarantined(fleet, book);
      await sleep(500);
    }
  };
  const counting = guarded(count());

  return {
    wantLong(count) {
      urgent = count;
    },
    async finish() {
      finishing = true;
      await creators;
      while (background.size > 0) await Promise.all(background);
      ended = true;
      await counting;
    },
  };
}

function requestOf(spec: JobSpec, seed: number) {
  return {
    source: { case: "text" as const, value: spec.text },
    filename: `job-${spec.n}.txt`,
    priority: PRIORITY[spec.priority],
    labels: { n: String(spec.n), size: spec.size },
    requestId: `chaos-${seed}-${spec.n}`,
    concurrencyKey: spec.concurrencyKey,
  };
}

async function cancel(book: Book, sluice: Sluice, id: string, spec: JobSpec): Promise<void> {
  await sleep(spec.cancelAfterMs ?? 0);
  book.cancels.add(id);
  await insist(book, `cancel of job ${spec.n}`, () => sluice.jobs.cancelJob({ id, reason: "chaos" }), [
    "JOB_ALREADY_FINAL",
  ]);
  if (!spec.retry) return;
  const job = await insist(book, `wait for job ${spec.n}`, () => sluice.jobs.wait(id));
  if (!job) return;
  book.retries.add(id);
  await insist(book, `retry of job ${spec.n}`, () => sluice.jobs.retryJob({ id }), ["JOB_NOT_RETRYABLE"]);
}

async function repeat(book: Book, sluice: Sluice, id: string, spec: JobSpec, seed: number): Promise<void> {
  book.repeats++;
  const again = await insist(book, `second create of job ${spec.n}`, () =>
    sluice.jobs.createJob(requestOf(spec, seed)),
  );
  if (again && again.job?.id !== id)
    book.complaints.push(`the request id of job ${spec.n} made ${id} and ${again.job?.id}`);
}
