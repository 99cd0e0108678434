import type { HeldLease, WorkerFacts } from "../jobs/heartbeats.ts";

/** What the thread of the heartbeat is started with. */
export interface HeartbeatSettings {
  readonly databaseUrl: string;
  readonly applicationName: string;
  /** How long a lease holds without a heartbeat. */
  readonly leaseMs: number;
  readonly intervalMs: number;
  /** How long the main thread may show no sign of life before its leases are let go. */
  readonly hungAfterMs: number;
}

export type ToHeartbeat =
  /** An attempt has begun; `renewedAt` by `monotonicMs`. */
  | { kind: "hold"; lease: HeldLease; renewedAt: number }
  /** An attempt has ended. */
  | { kind: "drop"; token: string }
  /** Sent again and again: that the main thread is alive, and how it is. */
  | { kind: "alive"; facts: WorkerFacts; peaks: readonly [token: string, bytes: number][] }
  | { kind: "stop" };

export type FromHeartbeat =
  /** The database has answered a heartbeat that was sent at `at`, by `monotonicMs`; leases by their tokens. */
  | {
      kind: "beat";
      at: number;
      renewed: readonly string[];
      cancel: readonly string[];
      /** Another process has taken the worker's id. */
      isDisplaced: boolean;
    }
  | { kind: "failed"; error: string }
  /** Leases, by token, that are another's, or were not renewed until they must have run out. */
  | { kind: "lost"; tokens: readonly string[] }
  /** The main thread showed no sign of life for so long that nothing was renewed for it. */
  | { kind: "hung"; ms: number };
