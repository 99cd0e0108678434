/** How bad it is. `warn` may pass by itself or is a risk; a `fault` breaks a promise of the service until somebody acts. */
export type Level = "ok" | "info" | "warn" | "fault";

/** One thing that a check says. A check that finds nothing wrong says so with one `ok`. */
export interface Finding {
  readonly level: Level;
  /** For programs; stays the same when the words change. */
  readonly code: string;
  /** For people: what is wrong, or what was looked at. Without the full stop. */
  readonly message: string;
  /** What to do about it, as a whole sentence. */
  readonly advice?: string;
  /** How many things it is about. */
  readonly count?: number;
  /** A few of them, mostly ids of jobs. */
  readonly ids?: readonly string[];
  /** The check's `repair` mends it. */
  readonly mendable?: boolean;
}

/** What a repair has done, when it is done and committed. */
export interface Mend {
  readonly code: string;
  /** What was done to how many, without the full stop. */
  readonly message: string;
  readonly count: number;
  readonly ids: readonly string[];
}

/** One subject that the doctor looks at. Adding one is a function that makes it, and a line in `checks.ts`. */
export interface Check {
  /** Short, in lower case, unique. */
  readonly name: string;
  /** Names of earlier checks that must have found no fault, or this one is skipped. */
  readonly needs?: readonly string[];
  /** Looks and changes nothing. May be called again. What it throws becomes a fault. */
  run(): Promise<readonly Finding[]>;
  /** Mends what `run` has called mendable, as far as it is still so, and audits it. */
  repair?(): Promise<readonly Mend[]>;
}

/** What became of one check. */
export type Report =
  | { readonly check: string; readonly skipped: string }
  | { readonly check: string; readonly findings: readonly Finding[]; readonly mends: readonly Mend[] };

/** What became of all. */
export interface Outcome {
  readonly checks: number;
  readonly skipped: number;
  readonly warnings: number;
  /** Those that are left, after repair if that was asked for. */
  readonly faults: number;
  readonly mended: number;
}

/** How many ids a finding shows. */
export const SHOWN_IDS = 5;
