import type { Fragment, Sql } from "../db/sql.ts";
import type { Lifecycle } from "../lib/lifecycle.ts";

/** A waiting job, as the line knows it. */
export interface QueueEntry {
  readonly id: string;
  readonly ownerId: string;
  /** 0 high, 1 normal, 2 low. */
  readonly rank: number;
  /** It is not begun before. */
  readonly runTime: Date;
  /** That time had come when the row was read, by the clock of the database, which alone decides. */
  readonly isDue: boolean;
  /** Null when nothing limits how many of its kind run at once. */
  readonly concurrencyKey: string | null;
  /** It stands aside of the line because its key is taken. */
  readonly parked: boolean;
}

/** Which waiting jobs a claim takes: the source of rows `(id, turn, slot)`, each locked and one of a job. */
export type Selection = (sql: Sql) => Fragment;

/** What a claim gives: at least whose job it is. */
export interface Claimed {
  readonly entry: QueueEntry;
}

/** Claims what `selection` names for a worker: rows of Postgres, fenced by fresh lease tokens. */
export type Claim<C extends Claimed> = (workerId: string, selection: Selection) => Promise<C[]>;

/** Jobs of one priority in the line. */
export interface LineDepth {
  readonly rank: number;
  /** Could begin now. */
  readonly waiting: number;
  /** Their time has not come. */
  readonly delayed: number;
}

/**
 * The line of waiting jobs. The rows in Postgres say what is true; the queue says who is next, and may forget
 * everything at any moment. Each verb but `dequeue` follows the commit that made it true, and none but `dequeue`
 * and `depths` ever throws: what a queue missed, its reconciliation finds.
 */
export interface Queue<C extends Claimed> extends Lifecycle {
  readonly backend: "postgres" | "redis";
  /** It knows that it has missed something, and wants to be reconciled at once. */
  readonly lost: boolean;
  /** These wait since a commit. Said twice, it changes nothing. */
  enqueue(entries: readonly QueueEntry[]): Promise<void>;
  /**
   * Claims up to `limit` jobs for the worker, fewer when fewer can run: by priority with a share for the lower ones,
   * in turns among owners, of an owner the one that could run for longest; of one concurrency key no more than its
   * limit. None while the queue is paused. @throws when the database does not answer
   */
  dequeue(workerId: string, limit: number): Promise<C[]>;
  /** These ran and have ended. What their keys held back may go on. */
  ack(entries: readonly QueueEntry[]): Promise<void>;
  /** These ran and wait again, from their new `runTime` on. What their keys held back may go on. */
  nack(entries: readonly QueueEntry[]): Promise<void>;
  /**
   * These were begun and come back untouched, with the `runTime` they had: each stands before all of its owner's jobs
   * of its priority that were not yet begun. What their keys held back may go on.
   */
  release(entries: readonly QueueEntry[]): Promise<void>;
  /** These waited and will not run: they were cancelled. What their keys held back may go on. */
  withdraw(entries: readonly QueueEntry[]): Promise<void>;
  /** No job begins until `resume`. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** One for each priority, the highest first. */
  depths(): Promise<LineDepth[]>;
  /** Mends what differs from the rows in Postgres; bounded in one call. Answers what it had to do. */
  reconcile(): Promise<Reconciled>;
  /** @throws an error for people when the queue works less well than it is meant to */
  check(): Promise<void>;
}

/** What a reconciliation had to mend. */
export interface Reconciled {
  /** Put back in the line. */
  readonly restored: number;
  /** Let go on, although nobody had said that their key is free. */
  readonly admitted: number;
  /** Put aside because their key is taken. */
  readonly parked: number;
}
