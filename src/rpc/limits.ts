import type { ListenerLimits } from "./listener.ts";

/** What the edge grants a client. */
export interface EdgeLimits extends ListenerLimits {
  /** One request message, encoded and inflated. Results and streams may be longer. */
  readonly maxMessageBytes: number;
  /** Of a user on this server; of an address for those without a credential. */
  readonly maxStreamsPerCaller: number;
  /** How often the credential of an open stream is asked after. */
  readonly revalidateMs: number;
  /** How long a stream goes on while that cannot be answered. */
  readonly maxUnvalidatedMs: number;
  readonly bodyIdleMs: number;
  readonly bodyMinBytesPerSecond: number;
  /** Longest time in which a client takes nothing of an answer that waits for it. */
  readonly unreadMs: number;
}

const DEFAULTS: EdgeLimits = {
  maxMessageBytes: 4 * 1024 * 1024,
  headersMs: 10_000,
  // An upload over a slow line takes its time; body.ts looks after its speed.
  requestMs: 60 * 60_000,
  keepAliveMs: 65_000,
  maxHeaderBytes: 16 * 1024,
  // Fewer, and the first burst of a connect-node client fails before it knows the limit.
  maxStreamsPerSession: 1_000,
  maxConnectionsPerAddress: 1_000,
  pingIntervalMs: 20_000,
  sessionIdleMs: 10 * 60_000,
  maxResets: 100,
  maxStreamsPerCaller: 1_000,
  // With the 2 s that an answer may be old, a change is in force within 5 s.
  revalidateMs: 2_000,
  maxUnvalidatedMs: 30_000,
  bodyIdleMs: 30_000,
  bodyMinBytesPerSecond: 1_024,
  unreadMs: 60_000,
};

export function edgeLimits(changed: Partial<EdgeLimits> = {}): EdgeLimits {
  return { ...DEFAULTS, ...changed };
}
