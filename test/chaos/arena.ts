import type { Book } from "./book.ts";
import type { Fleet } from "./fleet.ts";
import type { Load } from "./load.ts";
import type { FaultKind } from "./plan.ts";

/** Everything that a fault needs. */
export interface Arena {
  readonly fleet: Fleet;
  readonly book: Book;
  readonly load: Load;
  readonly redisAwayMs: number;
}

/** What one fault did. */
export interface Struck {
  /** Jobs that it took from a worker; absent where that is not the point. */
  readonly hit?: number;
  /** As the head of the table defines it; null: not within a minute, or nothing was hit. */
  readonly recoveredMs: number | null;
  readonly note?: string;
  readonly zombie?: { readonly rerun: number; readonly refused: number };
  /** What must not be, in words. */
  readonly faults?: readonly string[];
}

/** A fault that was done. */
export interface Fault extends Struck {
  readonly kind: FaultKind;
}
