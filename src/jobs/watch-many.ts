import { setTimeout as pause } from "node:timers/promises";
import { databaseTime } from "../db/clock.ts";
import type { Database } from "../db/sql.ts";
import type { EventBus } from "../events/bus.ts";
import { readEventsOf } from "../events/log.ts";
import type { LoggedEvent } from "../events/model.ts";
import { createAlarm } from "../lib/alarm.ts";
import type { Scope } from "../lib/caller.ts";
import { isUuid } from "../lib/ids.ts";
import type { JobFilter } from "./model.ts";
import { jobsActiveSince, matchingJobs } from "./queries.ts";
import { KEEP_ALIVE_MS } from "./watch.ts";

/** Jobs that are followed: beyond it those that had no event for longest are forgotten. Announced ones: it looks for the rest. */
const MAX_JOBS = 10_000;
/** Jobs looked at in one statement. */
const BATCH = 500;
/** Events read at once: what a slow reader makes the server hold at the most. */
const PAGE = 200;
/** A look without a wake-up, so that a lost one delays an event but never hides it. */
const LOOK_MS = 10_000;
/** What is announced within this time shares a statement: every event of the installation is announced to every stream. */
const GATHER_MS = 50;

export interface WatchMany {
  readonly scope: Scope;
  readonly filter: JobFilter;
  readonly signal: AbortSignal;
  readonly lookMs?: number;
  readonly keepAliveMs?: number;
  readonly gatherMs?: number;
}

/**
 * Follows the jobs that the filter finds, from now on, until the signal ends it. A job that was found is followed on when
 * the filter would find it no more, so that its last event is seen. Of each job every event once and in order; a follower
 * that is 10,000 jobs behind may miss events of jobs that it has not seen yet. Null is a keep-alive.
 */
export async function* watchJobs(
  { db, bus }: { db: Database; bus: EventBus },
  watch: WatchMany,
): AsyncGenerator<LoggedEvent | null> {
  const { scope, filter, signal } = watch;
  const { lookMs = LOOK_MS, keepAliveMs = KEEP_ALIVE_MS, gatherMs = GATHER_MS } = watch;
  const sql = db.scoped(scope);
  const followed = new Map<string, { sequence: number; time: Date }>();
  const announced = new Set<string>();
  let since = await databaseTime(sql);
  let lookedAt = since;
  let missed = false;
  const alarm = createAlarm(signal);
  const take = (ids: readonly string[]): void => {
    if (ids.length === 0) missed = true;
    for (const id of ids) {
      // What wakes workers without naming a job.
      if (!isUuid(id)) continue;
      if (announced.size < MAX_JOBS) announced.add(id);
      else missed = true;
    }
    alarm.ring();
  };
  // New jobs are announced to workers only: nobody can have followed them before.
  const unsubscribe = [bus.onAny("events", take), bus.onAny("work", take)];

  const follow = (id: string, seen: { sequence: number; time: Date }): void => {
    followed.delete(id);
    followed.set(id, seen);
    if (followed.size <= MAX_JOBS) return;
    const [oldest] = followed;
    if (!oldest) return;
    followed.delete(oldest[0]);
    // What was told of it is from before the moment from which on a forgotten job's events count.
    since = new Date(Math.max(since.getTime(), oldest[1].time.getTime() + 1));
  };

  let lastSent = performance.now();
  let lastLook = performance.now();
  try {
    while (true) {
      signal.throwIfAborted();
      const found = new Set<string>();
      if (missed || performance.now() - lastLook >= lookMs) {
        missed = false;
        lastLook = performance.now();
        const time = await databaseTime(sql);
        for (const id of followed.keys()) announced.add(id);
        for (const id of await jobsActiveSince(sql, filter, lookedAt, MAX_JOBS)) found.add(id);
        lookedAt = time;
      }
      const ids = [...announced.union(found)];
      announced.clear();
      for (let at = 0; at < ids.length; at += BATCH) {
        const batch = ids.slice(at, at + BATCH);
        const unknown = batch.filter((id) => !followed.has(id) && !found.has(id));
        for (const id of unknown.length ? await matchingJobs(sql, filter, unknown) : []) found.add(id);
        const wanted = batch.filter((id) => followed.has(id) || found.has(id));
        let events: LoggedEvent[];
        do {
          const positions = wanted.map((jobId) => ({
            jobId,
            afterSequence: followed.get(jobId)?.sequence ?? 0,
          }));
          events = positions.length ? await readEventsOf(sql, positions, since, PAGE) : [];
          for (const event of events) {
            yield event;
            follow(event.jobId, event);
            lastSent = performance.now();
          }
          signal.throwIfAborted();
        } while (events.length === PAGE);
      }
      if (performance.now() - lastSent >= keepAliveMs) {
        yield null;
        lastSent = performance.now();
      }
      await alarm.sleep(Math.min(lookMs, keepAliveMs));
      if (announced.size > 0) await pause(gatherMs);
    }
  } finally {
    for (const end of unsubscribe) end();
    alarm.end();
  }
}
