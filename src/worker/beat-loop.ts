import type { Beat, HeldLease, WorkerFacts } from "../jobs/heartbeats.ts";
import { messageOf } from "../lib/errors.ts";
import type { FromHeartbeat, HeartbeatSettings, ToHeartbeat } from "./heartbeat-protocol.ts";

/** After a failure, and when a lease could not be renewed, the next heartbeat comes sooner. */
const SOON_MS = 1_000;
export interface BeatLoopDeps extends Pick<HeartbeatSettings, "leaseMs" | "intervalMs" | "hungAfterMs"> {
  renew(worker: WorkerFacts, leases: readonly HeldLease[]): Promise<Beat>;
  tell(message: FromHeartbeat): void;
  /** Milliseconds, monotonic. */
  now(): number;
  /** How often `tick` is called. */
  tickMs: number;
}

interface Held {
  readonly lease: HeldLease;
  peakMemoryBytes: number;
  renewedAt: number;
}

/**
 * Renews the leases of all running attempts in one statement and tells what comes back. A lease that is another's, or
 * could not be renewed until it must have run out, is told as lost. While the main thread shows no sign of life for
 * longer than `hungAfterMs`, nothing is renewed: what it runs is then somebody else's to do.
 */
export function createBeatLoop(deps: BeatLoopDeps) {
  const { renew, tell, now, leaseMs, intervalMs, hungAfterMs, tickMs } = deps;
  const held = new Map<string, Held>();
  let facts: WorkerFacts | null = null;
  let heardAt = now();
  let lookedAt = now();
  let dueAt = now();
  let letGo = false;
  let beating: Promise<void> | null = null;

  const lose = (tokens: readonly string[]): void => {
    for (const token of tokens) held.delete(token);
    if (tokens.length > 0) tell({ kind: "lost", tokens });
  };

  const beat = async (worker: WorkerFacts): Promise<void> => {
    const sentAt = now();
    const sent = [...held.values()];
    try {
      const { isDisplaced, leases: answer } = await renew(
        worker,
        sent.map(({ lease, peakMemoryBytes }) => ({ ...lease, peakMemoryBytes })),
      );
      const renewals = new Map(answer.map((renewal) => [renewal.token, renewal]));
      // An attempt that ended meanwhile is no longer held and is told of no more.
      const asked = sent.filter(({ lease }) => held.has(lease.token));
      const renewed = asked.filter(({ lease }) => renewals.get(lease.token)?.renewed);
      for (const item of renewed) item.renewedAt = sentAt;
      const complete = answer.every(({ renewed }) => renewed);
      dueAt = sentAt + (complete ? intervalMs : Math.min(SOON_MS, intervalMs));
      tell({
        kind: "beat",
        at: sentAt,
        renewed: renewed.map(({ lease }) => lease.token),
        isDisplaced,
        cancel: answer.filter(({ cancel }) => cancel).map(({ token }) => token),
      });
      lose(asked.filter(({ lease }) => !renewals.has(lease.token)).map(({ lease }) => lease.token));
    } catch (error) {
      dueAt = now() + Math.min(SOON_MS, intervalMs);
      tell({ kind: "failed", error: messageOf(error) });
    }
  };

  return {
    hear(message: Exclude<ToHeartbeat, { kind: "stop" }>): void {
      const at = now();
      if (letGo) {
        letGo = false;
        tell({ kind: "hung", ms: at - heardAt });
      }
      heardAt = at;
      if (message.kind === "hold") {
        const { lease, renewedAt } = message;
        held.set(lease.token, { lease, renewedAt, peakMemoryBytes: 0 });
      } else if (message.kind === "drop") held.delete(message.token);
      else {
        facts = message.facts;
        for (const [token, bytes] of message.peaks) {
          const item = held.get(token);
          if (item) item.peakMemoryBytes = bytes;
        }
      }
    },

    /** Looks what is due. */
    tick(): void {
      const at = now();
      // The whole process stood still, not the main thread alone.
      if (at - lookedAt > 2 * tickMs) heardAt += at - lookedAt;
      lookedAt = at;
      // Also while a renewal gets no answer at all.
      const over = [...held.values()].filter(({ renewedAt }) => at - renewedAt >= leaseMs);
      lose(over.map(({ lease }) => lease.token));
      letGo = at - heardAt > hungAfterMs;
      // One at a time: renewals that get no answer do not queue up behind each other.
      if (letGo || beating || !facts || at < dueAt) return;
      beating = beat(facts).finally(() => {
        beating = null;
      });
    },

    /** The heartbeat that is on its way, if one is. */
    async settle(): Promise<void> {
      await beating;
    },
  };
}
