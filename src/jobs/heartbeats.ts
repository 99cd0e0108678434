import type { Sql } from "../db/sql.ts";
import {
  type HeldLease,
  type Renewal,
  removeWorker,
  renewLeases,
  type WorkerFacts,
} from "./lease-queries.ts";

export type { HeldLease, Renewal, WorkerFacts };

export type Heartbeats = ReturnType<typeof createHeartbeats>;

/** How a worker shows that it is alive, and keeps its leases. */
export function createHeartbeats({ sql }: { readonly sql: Sql }, leaseMs: number) {
  return {
    /** Prolongs the leases; one that is missing in the answer is lost. Waits for no lock that others hold on a job. */
    async renew(worker: WorkerFacts, leases: readonly HeldLease[]): Promise<Renewal[]> {
      return await renewLeases(sql, worker, leases, leaseMs);
    },

    async signOff(id: string): Promise<void> {
      await removeWorker(sql, id);
    },
  };
}
