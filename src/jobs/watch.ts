import type { Database } from "../db/sql.ts";
import type { EventBus } from "../events/bus.ts";
import { readEvents } from "../events/log.ts";
import type { LoggedEvent } from "../events/model.ts";
import { createAlarm } from "../lib/alarm.ts";
import type { Scope } from "../lib/caller.ts";
import { createShare } from "../lib/share.ts";
import { JobNotFoundError } from "./errors.ts";
import { isFinal, type Job } from "./model.ts";
import { findJob } from "./queries.ts";

/** Events read at once: what a slow reader makes the server hold at the most. */
const PAGE = 200;
/** A look without a wake-up, so that a lost one delays a stream but never stops it. */
const POLL_MS = 2_000;
/** How long a stream is silent at the most. */
export const KEEP_ALIVE_MS = 15_000;

export interface JobWatch {
  readonly scope: Scope;
  readonly id: string;
  readonly afterSequence: number;
  readonly signal: AbortSignal;
  readonly pollMs?: number;
  readonly keepAliveMs?: number;
}

export type WatchJob = (watch: JobWatch) => AsyncGenerator<LoggedEvent | null>;

/** What a look into the log has found; the job only if there were no more events than that. */
interface Look {
  readonly events: readonly LoggedEvent[];
  readonly job: Job | null;
}

/**
 * Replays the events after `afterSequence`, then follows. Ends when the job is final and all of its events
 * were given; a job that is retried later goes on in a new call. Null is a keep-alive. However many follow a job, what one
 * wake-up brings is read once.
 */
export function createJobWatch({ db, bus }: { db: Database; bus: EventBus }): WatchJob {
  const share = createShare<Look>();

  const look = ({ scope, id }: JobWatch, sequence: number): Promise<Look> =>
    share(`${scope.ownerId} ${id} ${sequence}`, async () => {
      const sql = db.scoped(scope);
      const events = await readEvents(sql, id, sequence, PAGE);
      // Read after the events: a final job whose last sequence was given has no further ones.
      return { events, job: events.length < PAGE ? await findJob(sql, id) : null };
    });

  return async function* (watch) {
    const { id, signal, pollMs = POLL_MS, keepAliveMs = KEEP_ALIVE_MS } = watch;
    let sequence = watch.afterSequence;
    const alarm = createAlarm(signal);
    const unsubscribe = bus.onId("events", id, alarm.ring);
    let lastSent = performance.now();
    try {
      while (true) {
        signal.throwIfAborted();
        const { events, job } = await look(watch, sequence);
        for (const event of events) {
          yield event;
          sequence = event.sequence;
          lastSent = performance.now();
        }
        if (events.length === PAGE) continue;
        if (!job) throw new JobNotFoundError(id);
        if (isFinal(job.status) && sequence >= job.lastSequence) return;
        if (sequence < job.lastSequence) continue;
        if (performance.now() - lastSent >= keepAliveMs) {
          yield null;
          lastSent = performance.now();
        }
        await alarm.sleep(pollMs);
      }
    } finally {
      unsubscribe();
      alarm.end();
    }
  };
}
