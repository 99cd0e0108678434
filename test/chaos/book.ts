import { setTimeout as sleep } from "node:timers/promises";
import { SluiceError } from "@sluice/sdk";
import type { JobSpec } from "./work.ts";

/** What the clients know, whatever the database says. */
export interface Book {
  /** Every create that was answered, by the id of its job. */
  readonly acknowledged: Map<string, JobSpec>;
  /** Creates that were answered, for each server. */
  readonly answers: number[];
  /** Jobs whose cancel was asked for, whether or not it came in time. */
  readonly cancels: Set<string>;
  /** Jobs that were run again after they had ended. */
  readonly retries: Set<string>;
  /** Creates that were sent once more with the same request id. */
  repeats: number;
  /** Calls that failed with UNAVAILABLE and were made again. */
  unavailable: number;
  /** Everything that a client should not see, in words. */
  readonly complaints: string[];
}

/** How long a client goes on with one call. */
const INSIST_MS = 90_000;

export function createBook(servers: number): Book {
  return {
    acknowledged: new Map(),
    answers: Array.from({ length: servers }, () => 0),
    cancels: new Set(),
    retries: new Set(),
    repeats: 0,
    unavailable: 0,
    complaints: [],
  };
}

/**
 * Makes a call until it is answered. UNAVAILABLE is what a client may see while something is down; anything else is
 * noted as a complaint, and the call is made again all the same. Undefined when `accepts` takes the refusal as an
 * answer, or after a minute and a half.
 */
export async function insist<T>(
  book: Book,
  what: string,
  call: () => Promise<T>,
  accepts: readonly string[] = [],
): Promise<T | undefined> {
  const endsAt = performance.now() + INSIST_MS;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      if (accepts.includes(error.reason)) return undefined;
      if (error.code === "unavailable") book.unavailable++;
      else book.complaints.push(`${what}: ${error.code} ${error.reason}: ${error.message}`);
    }
    if (performance.now() > endsAt) {
      book.complaints.push(`${what}: no answer for ${INSIST_MS / 1000} s`);
      return undefined;
    }
    await sleep(100 + Math.random() * 200);
  }
}
