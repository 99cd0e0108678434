import type { Target } from "./target.ts";

/** One thing that was tried, and what came back. */
export interface Tried {
  readonly what: string;
  readonly came: string;
  /** The service withstood it. */
  readonly held: boolean;
}

/** A line of what the service must survive, as a set of tries. */
export interface Attack {
  readonly name: string;
  /** @throws NotTriedError if nothing can be tried; why is said in the table */
  run(target: Target): Promise<Tried[]>;
}

/** An attack that goes on until it is told to stop, beside a client that behaves well. */
export interface Flood {
  readonly name: string;
  /** @param signal aborts at the end of the time */
  run(target: Target, signal: AbortSignal): Promise<Tried[]>;
}

/** What is attacked does not exist yet, or cannot be reached from here. */
export class NotTriedError extends Error {
  override name = "NotTriedError";
}

/** For what needs the server's keys, log or database: those of a server that was started for the attack. */
export function ownOf(target: Target): NonNullable<Target["own"]> {
  if (!target.own) throw new NotTriedError("needs a server that the attack has started itself");
  return target.own;
}
