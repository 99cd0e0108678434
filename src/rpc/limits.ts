import type { ListenerLimits } from "./listener.ts";

/** What the edge grants a client. */
export interface EdgeLimits extends ListenerLimits {
  /** One request message, encoded and inflated. Results and streams may be longer. */
  readonly maxMessageBytes: number;
  readonly maxStreamsPerCaller: number;
  /** How often the credential of an open stream is asked after. */
  readonly revalidateMs: number;
  readonly bodyIdleMs: number;
  readonly bodyMinBytesPerSecond: number;
  /** How long a client may take nothing of an answer that goes on. */
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
  revalidateMs: 3_000,
  bodyIdleMs: 30_000,
  bodyMinBytesPerSecond: 1_024,
  unreadMs: 120_000,
};

export function edgeLimits(changed: Partial<EdgeLimits> = {}): EdgeLimits {
  return { ...DEFAULTS, ...changed };
}
