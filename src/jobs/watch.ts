import type { Database } from "../db/sql.ts";
import type { EventBus } from "../events/bus.ts";
import { readEvents } from "../events/log.ts";
import type { LoggedEvent } from "../events/model.ts";
import { createAlarm } from "../lib/alarm.ts";
import type { Scope } from "../lib/caller.ts";
import { JobNotFoundError } from "./errors.ts";
import { isFinal } from "./model.ts";
import { findJob } from "./queries.ts";

/** Events read at once: what a slow reader makes the server hold at the most. */
const PAGE = 200;
/** A look without a wake-up, so that a lost one delays a stream but never stops it. */
const POLL_MS = 2_000;
/** How long a stream is silent at the most. */
export const KEEP_ALIVE_MS = 15_000;

/**
 * Replays the events after `afterSequence`, then follows. Ends when the job is final and all of its events
 * were given; a job that is retried later goes on in a new call. Null is a keep-alive.
 */
export async function* watchJob(
  { db, bus }: { db: Database; bus: EventBus },
  watch: {
    scope: Scope;
    id: string;
    afterSequence: number;
    signal: AbortSignal;
    pollMs?: number;
    keepAliveMs?: number;
  },
): AsyncGenerator<LoggedEvent | null> {
  const sql = db.scoped(watch.scope);
  const { id, signal, pollMs = POLL_MS, keepAliveMs = KEEP_ALIVE_MS } = watch;
  let sequence = watch.afterSequence;
  const alarm = createAlarm(signal);
  const unsubscribe = bus.onId("events", id, alarm.ring);
  let lastSent = performance.now();
  try {
    while (true) {
      signal.throwIfAborted();
      let events: LoggedEvent[];
      do {
        events = await readEvents(sql, id, sequence, PAGE);
        for (const event of events) {
          yield event;
          sequence = event.sequence;
          lastSent = performance.now();
        }
      } while (events.length === PAGE);
      // Read after the events: a final job whose last sequence was given has no further ones.
      const job = await findJob(sql, id);
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
}
