import type { Database } from "../db/sql.ts";

/** Carries the bus's messages between processes; may lose some while a connection is away. */
export interface BusTransport {
  /** @throws when nobody could be told */
  publish(payloads: readonly string[]): Promise<void>;
  /** `onReady` is called at the start and after each reconnection: what came in between was lost. */
  subscribe(onPayload: (payload: string) => void, onReady: () => void): Promise<void>;
  check(): Promise<void>;
  close(): Promise<void>;
}

/** What all of one installation are told on, whatever carries it. */
export const CHANNEL = "sluice_bus";

/** Over Postgres: one listening connection a process, one statement a batch. */
export function createNotifyTransport(db: Database): BusTransport {
  return {
    async publish(payloads) {
      await db.notify(CHANNEL, payloads);
    },
    async subscribe(onPayload, onReady) {
      await db.listen(CHANNEL, onPayload, onReady);
    },
    async check() {},
    async close() {},
  };
}
