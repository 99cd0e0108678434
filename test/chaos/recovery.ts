import { setTimeout as sleep } from "node:timers/promises";
import type { Book } from "./book.ts";
import type { Fleet, Worker } from "./fleet.ts";

/** A job and the lease under which a worker has it. */
export interface Hold {
  readonly id: string;
  readonly token: string;
  readonly since: Date;
  readonly size: string;
  readonly stage: string | null;
  /** Every stage has ended; the result is on its way. */
  readonly isComplete: boolean;
}

/** Longer than any recovery should take; what has not come by then is a breach. */
export const RECOVERY_MS = 60_000;
const LOOK_MS = 100;

/** Waits for a condition. Answers whether it came, within `ms`. */
export async function comes(
  condition: () => Promise<boolean> | boolean,
  ms: number,
  lookMs = LOOK_MS,
): Promise<boolean> {
  const endsAt = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() >= endsAt) return false;
    await sleep(lookMs);
  }
  return true;
}

/** What the worker's process holds now, as the database has it. */
export async function heldBy(fleet: Fleet, { pid }: Worker): Promise<Hold[]> {
  return await fleet.postgres.ask(
    (sql) => sql<Hold[]>`select id, lease_token as token, locked_at as since, labels->>'size' as size, stage,
        stage is null and stages_done = stages_total as "isComplete" from jobs
      where lease_token is not null and locked_by like ${`%-${pid}-%`}`,
  );
}

/**
 * How many of these jobs have not been recovered, so that they have neither ended nor are under another lease, and
 * which another worker is in the middle of.
 */
export async function look(fleet: Fleet, holds: readonly Hold[]): Promise<{ open: number; rerun: string[] }> {
  if (holds.length === 0) return { open: 0, rerun: [] };
  const rows = await fleet.postgres.ask(
    (sql) => sql<{ id: string; status: string; token: string | null }[]>`
      select id, status, lease_token as token from jobs where id in ${sql(holds.map(({ id }) => id))}`,
  );
  const tokens = new Map(holds.map(({ id, token }) => [id, token]));
  const taken = rows.filter(({ id, token }) => token !== null && token !== tokens.get(id));
  const ended = rows.filter(({ status }) => ["COMPLETED", "CANCELLED", "FAILED"].includes(status));
  const rerun = taken.filter(({ status }) => status === "PROCESSING").map(({ id }) => id);
  return { open: holds.length - taken.length - ended.length, rerun };
}

/** Milliseconds from `since` until each of these jobs is held under another lease or has ended; null: not in time. */
export async function takenOver(fleet: Fleet, holds: readonly Hold[], since: number): Promise<number | null> {
  if (holds.length === 0) return null;
  const came = await comes(async () => (await look(fleet, holds)).open === 0, RECOVERY_MS);
  return came ? performance.now() - since : null;
}

/** A moment before which nothing counts as recovery. */
export interface Moment {
  readonly answers: readonly number[];
  readonly time: Date;
}

export async function moment(fleet: Fleet, book: Book): Promise<Moment> {
  const [row] = await fleet.postgres.ask((sql) => sql<[{ time: Date }]>`select clock_timestamp() as time`);
  return { answers: [...book.answers], time: row.time };
}

/**
 * Milliseconds from `since` until, after the moment, every server has answered a create and a job that was created
 * then has completed; null: not in time.
 */
export async function servesAgain(
  fleet: Fleet,
  book: Book,
  after: Moment,
  since: number,
): Promise<number | null> {
  const answered = (): boolean =>
    after.answers.every((answers, server) => (book.answers[server] ?? 0) > answers);
  const completed = async (): Promise<boolean> => {
    const rows = await fleet.postgres.ask(
      (sql) => sql`select from jobs where status = 'COMPLETED' and created_at > ${after.time} limit 1`,
    );
    return rows.length > 0;
  };
  const came = await comes(async () => answered() && (await completed()), RECOVERY_MS);
  return came ? performance.now() - since : null;
}
