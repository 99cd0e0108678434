import type { CallOptions, Methods } from "./calls.ts";
import { SluiceError } from "./errors.ts";
import { cancellable, forward } from "./streams.ts";
import { backoffMs, type Timing } from "./timing.ts";
import { toSluiceError } from "./translate.ts";
import { type JobEvent, JobStatus, type JobsService } from "./types.ts";

/** Options of `jobs.watch`. */
export interface WatchOptions {
  /** Begin after this event; 0 = from the first. */
  readonly afterSequence?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** A connection that is silent for so long is taken for dead. The server speaks every 15 seconds. Default 45000. */
  readonly stallMs?: number | undefined;
  /** Give up when no connection has brought an event for so long. Default 300000. */
  readonly giveUpMs?: number | undefined;
  /** Told before each reconnect, with what broke. */
  readonly onReconnect?: ((error: SluiceError) => void) | undefined;
}

export interface WatchDeps {
  readonly methods: Methods<typeof JobsService>;
  readonly timing: Timing;
}

const BASE_MS = 100;
const CAP_MS = 5_000;

/** True for the statuses that a job keeps, unless it is retried. */
export function isFinal(status: JobStatus): boolean {
  return status === JobStatus.COMPLETED || status === JobStatus.FAILED || status === JobStatus.CANCELLED;
}

/**
 * The events of a job, each once and in order, until its end: through broken connections and restarts of the server.
 * Leaving the loop ends the call. Fails with the server's refusals, and with the last failure after `giveUpMs`.
 */
export function watchJob(deps: WatchDeps, id: string, options: WatchOptions = {}): AsyncIterable<JobEvent> {
  return cancellable(options.signal, (signal) => follow(deps, id, options, signal));
}

/**
 * The events of all jobs that a filter finds, from now on, of each job in order, until the caller leaves the loop. Fails
 * with `unavailable` when the connection breaks: what happens until the next call is not told, so list the jobs then.
 */
export function watchAllJobs(
  { methods }: Pick<WatchDeps, "methods">,
  filter: Parameters<Methods<typeof JobsService>["watchJobs"]>[0]["filter"],
  { signal, stallMs = 45_000 }: Pick<WatchOptions, "signal" | "stallMs"> = {},
): AsyncIterable<JobEvent> {
  return cancellable(signal, async function* (ended) {
    const open = (attempt: AbortSignal) => methods.watchJobs({ filter }, { signal: attempt });
    for await (const { event } of alive(open, stallMs, ended)) if (event) yield event;
    if (!ended.aborted) throw lost("The server ended the stream of events.");
  });
}

async function* follow(
  { methods, timing }: WatchDeps,
  id: string,
  { afterSequence = 0, stallMs = 45_000, giveUpMs = 300_000, onReconnect }: WatchOptions,
  signal: AbortSignal,
): AsyncGenerator<JobEvent, void, undefined> {
  let last = afterSequence;
  let ended = false;
  let failures = 0;
  let downSince: number | undefined;
  for (;;) {
    let failure: SluiceError;
    try {
      const open = (attempt: AbortSignal) =>
        methods.watchJob({ id, afterSequence: last }, { signal: attempt });
      for await (const { event } of alive(open, stallMs, signal)) {
        if (!event || event.sequence <= last) continue;
        last = event.sequence;
        ended = event.event.case === "statusChanged" && isFinal(event.event.value.status);
        failures = 0;
        downSince = undefined;
        yield event;
      }
      // A retried job has final events in the middle, so the end of the stream counts. But a proxy may end it too.
      if (ended || (await isOver(methods, id, signal))) return;
      failure = lost("The stream of events ended before the job did.");
    } catch (error) {
      failure = toSluiceError(error, signal);
      if (signal.aborted || failure.code !== "unavailable") throw failure;
    }
    downSince ??= timing.now();
    if (timing.now() - downSince >= giveUpMs) throw failure;
    onReconnect?.(failure);
    failures++;
    await timing.sleep(failure.retryAfterMs ?? backoffMs(failures, BASE_MS, CAP_MS, timing.random), signal);
  }
}

async function isOver(
  methods: Methods<typeof JobsService>,
  id: string,
  signal: AbortSignal,
): Promise<boolean> {
  const { job } = await methods.getJob({ id }, { signal } satisfies CallOptions);
  return job !== undefined && isFinal(job.status);
}

function lost(message: string): SluiceError {
  return new SluiceError({ code: "unavailable", reason: "CONNECTION_LOST", message });
}

/** The messages of one connection; fails as lost when none comes within `stallMs`. */
async function* alive<M>(
  open: (signal: AbortSignal) => AsyncIterable<M>,
  stallMs: number,
  signal: AbortSignal,
): AsyncGenerator<M, void, undefined> {
  const controller = new AbortController();
  const unlink = forward(signal, controller);
  const messages = open(controller.signal)[Symbol.asyncIterator]();
  let stalled = false;
  try {
    for (;;) {
      // Only waiting counts: a consumer may take its time between two events.
      const timer = setTimeout(() => {
        stalled = true;
        controller.abort();
      }, stallMs);
      const step = await messages.next().finally(() => clearTimeout(timer));
      if (step.done) return;
      yield step.value;
    }
  } catch (error) {
    throw stalled ? lost(`The server was silent for ${stallMs} ms.`) : error;
  } finally {
    unlink();
    controller.abort();
  }
}
