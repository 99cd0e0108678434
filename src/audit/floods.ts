import { networkOf } from "../lib/network.ts";

/** Calls a minute of one address that nobody has logged in for and that have a row each. */
export const LISTED_CALLS = 20;
/** Addresses a minute that are told apart; all others count as one. */
const MAX_ADDRESSES = 1_000;

/** Calls without a caller, from one address or network, beyond those that have a row each. */
export interface Flood {
  /** The first of these; empty for the sum of those that were not told apart. */
  readonly ipAddress: string;
  readonly count: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Tells floods of anonymous calls from single ones, so that the audit log is not what they are aimed at. */
export interface FloodGate {
  /** True if the call gets a row of its own; else it is counted. */
  admits(ipAddress: string): boolean;
  /** The counts since the last time; a new minute begins. */
  drain(): Flood[];
}

export function createFloodGate(now: () => number, listedCalls = LISTED_CALLS): FloodGate {
  let sources = new Map<
    string,
    { ipAddress: string; listed: number; count: number; fromMs: number; toMs: number }
  >();
  return {
    admits(address) {
      const network = networkOf(address);
      const key = sources.has(network) || sources.size < MAX_ADDRESSES ? network : "";
      const ipAddress = key && address;
      const source = sources.get(key) ?? { ipAddress, listed: 0, count: 0, fromMs: 0, toMs: 0 };
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
      const floods = Array.from(sources.values(), ({ listed: _, ...flood }) => flood);
      sources = new Map();
      return floods.filter(({ count }) => count > 0);
    },
  };
}
