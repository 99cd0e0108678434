import type { KeyObject } from "node:crypto";
import { type Chained, type ChainPoint, follow } from "./chain.ts";
import { type Checkpoint, isSigned } from "./checkpoint.ts";

/** What can be wrong with the record. */
export type Fault = "CHANGED" | "GAP" | "TRUNCATED" | "BAD_CHECKPOINT" | "ADDED";

/** The first thing that is wrong. */
export interface Broken {
  readonly fault: Fault;
  /** Number of the broken or missing entry; 0 where it has none. */
  readonly sequence: number;
  /** Empty where the entry is missing. */
  readonly id: string;
  /** For people, as a sentence. */
  readonly message: string;
}

/** One entry as the chain knows it. */
export interface Link extends ChainPoint, Chained {
  readonly id: string;
}

/** Follows a chain from its beginning; both verbs answer what is wrong, or null. */
export interface ChainVerifier {
  /** Entries in the order of their numbers. */
  link(link: Link): Broken | null;
  /** Checkpoints in their order, each when the entry with its number was given, or when no more are to come. */
  checkpoint(checkpoint: Checkpoint): Broken | null;
  readonly last: ChainPoint;
  readonly lastCheckpoint: Checkpoint | null;
}

/**
 * @param start what the first entry follows
 * @param firstNumber number of the first checkpoint; null: any
 */
export function createChainVerifier({
  start,
  firstNumber,
  key,
}: {
  start: ChainPoint;
  firstNumber: number | null;
  key: KeyObject;
}): ChainVerifier {
  let last = start;
  let lastCheckpoint: Checkpoint | null = null;
  return {
    get last() {
      return last;
    },
    get lastCheckpoint() {
      return lastCheckpoint;
    },

    link({ sequence, id, digest, timestamp, hash }) {
      if (sequence !== last.sequence + 1) return gap(last.sequence + 1, sequence - 1);
      const next = follow(last, { digest, timestamp });
      if (!next.hash.equals(hash)) {
        return {
          fault: "CHANGED",
          sequence,
          id,
          message: `Entry ${sequence} does not fit its hash: it, or the one before it, is not as it was written.`,
        };
      }
      last = next;
      return null;
    },

    checkpoint(checkpoint) {
      const { number, sequence, hash, previousSignature, time } = checkpoint;
      const bad = (message: string): Broken => ({ fault: "BAD_CHECKPOINT", sequence, id: "", message });
      const expected: number | null = lastCheckpoint ? lastCheckpoint.number + 1 : firstNumber;
      if (expected !== null && number !== expected) {
        return bad(`Checkpoint ${expected} is missing; the next one is ${number}, at entry ${sequence}.`);
      }
      if (!isSigned(key, checkpoint)) {
        return bad(
          `The signature of checkpoint ${number}, at entry ${sequence}, does not fit it: it was changed, or signed with another key.`,
        );
      }
      if (lastCheckpoint && !previousSignature.equals(lastCheckpoint.signature)) {
        return bad(`Checkpoint ${number}, at entry ${sequence}, does not follow checkpoint ${number - 1}.`);
      }
      if (sequence > last.sequence) {
        return truncated(
          last.sequence + 1,
          `the checkpoint of ${time.toISOString()} knows of entries up to ${sequence}`,
        );
      }
      if (sequence < last.sequence) return bad(`Checkpoint ${number} stands behind entry ${last.sequence}.`);
      if (!hash.equals(last.hash)) {
        const since = lastCheckpoint ? `after entry ${lastCheckpoint.sequence}` : "at or before it";
        return {
          fault: "CHANGED",
          sequence,
          id: "",
          message: `The chain was written anew: at entry ${sequence} it has another hash than the checkpoint of ${time.toISOString()}. What was changed lies ${since}.`,
        };
      }
      lastCheckpoint = checkpoint;
      return null;
    },
  };
}

/** These numbers are not there, and later ones are. */
export function gap(from: number, to: number): Broken {
  const what = to > from ? `Entries ${from} to ${to} are` : `Entry ${from} is`;
  return { fault: "GAP", sequence: from, id: "", message: `${what} missing.` };
}

/** @param evidence how it is known that there were more */
export function truncated(from: number, evidence: string, id = ""): Broken {
  return {
    fault: "TRUNCATED",
    sequence: from,
    id,
    message: `The end is missing, from entry ${from} on: ${evidence}.`,
  };
}
