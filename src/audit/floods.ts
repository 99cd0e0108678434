import { networkOf } from "../lib/network.ts";

/** Calls a minute of one source that have a row each. */
const LISTED_CALLS = 20;
/** Users a minute, and addresses, that are told apart; all others count as one. */
const MAX_SOURCES = 1_000;

/** Who calls: a user or, with an empty `userId`, an address. */
export interface Source {
  readonly userId: string;
  readonly ipAddress: string;
}

/** Calls of one user, or of one address or network, beyond those that have a row each. */
export interface Flood extends Source {
  /** The first of these; empty, as `userId` is, for the sum of those that were not told apart. */
  readonly ipAddress: string;
  readonly count: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Tells floods of refused calls from single ones, so that the audit log is not what they are aimed at. */
export interface FloodGate {
  /** True if the call gets a row of its own; else it is counted. */
  admits(source: Source): boolean;
  /** The counts since the last time; a new minute begins. */
  drain(): Flood[];
}

export function createFloodGate(now: () => number, listedCalls = LISTED_CALLS): FloodGate {
  type Counted = Source & { listed: number; count: number; fromMs: number; toMs: number };
  // Apart, so that however many addresses there are, a user is still told by name.
  const users = new Map<string, Counted>();
  const addresses = new Map<string, Counted>();
  return {
    admits({ userId, ipAddress }) {
      const sources = userId ? users : addresses;
      const own = userId || networkOf(ipAddress);
      const key = sources.has(own) || sources.size < MAX_SOURCES ? own : "";
      const named = key ? { userId, ipAddress } : { userId: "", ipAddress: "" };
      const source = sources.get(key) ?? { ...named, listed: 0, count: 0, fromMs: 0, toMs: 0 };
      sources.set(key, source);
      if (source.listed < listedCalls) {
        source.listed++;
        return true;
      }
      source.toMs = now();
      if (source.count++ === 0) source.fromMs = source.toMs;
      return false;
    },
    drain() {
      const counted = [...users.values(), ...addresses.values()];
      users.clear();
      addresses.clear();
      return counted.filter(({ count }) => count > 0).map(({ listed: _, ...flood }) => flood);
    },
  };
}
