import type { Sql } from "../db/sql.ts";
import { WorkerIdTakenError } from "./errors.ts";
import {
  type Beat,
  findIdHolder,
  type HeldLease,
  registerWorker,
  removeWorker,
  renewLeases,
  type WorkerFacts,
} from "./heartbeat-queries.ts";

export type { Beat, HeldLease, WorkerFacts };

export type Heartbeats = ReturnType<typeof createHeartbeats>;

/** How a worker shows that it is alive, and keeps its leases. */
export function createHeartbeats({ sql }: { readonly sql: Sql }, leaseMs: number) {
  return {
    /** Takes the worker's id, also from a process that is gone. @throws WorkerIdTakenError when one that is alive has it */
    async register(worker: WorkerFacts): Promise<void> {
      while (!(await registerWorker(sql, worker))) {
        const holder = await findIdHolder(sql, worker.id);
        // Else it has gone at this moment.
        if (holder) throw new WorkerIdTakenError(worker.id, holder);
      }
    },

    /** Prolongs the leases; one that is missing in the answer is lost. Waits for no lock that others hold on a job. */
    async renew(worker: WorkerFacts, leases: readonly HeldLease[]): Promise<Beat> {
      return await renewLeases(sql, worker, leases, leaseMs);
    },

    async signOff(worker: WorkerFacts): Promise<void> {
      await removeWorker(sql, worker);
    },
  };
}
