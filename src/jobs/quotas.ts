import type { Transaction } from "../db/sql.ts";
import { QuotaExceededError } from "./errors.ts";
import { lockOwners, usageOf } from "./quota-queries.ts";

/** What one owner may have; null: as much as there is room for. */
export interface QuotaLimits {
  readonly queuedJobs: number | null;
  readonly storedBytes: number | null;
}

/** What an owner wants beyond what it has. */
export interface Demand {
  readonly ownerId: string;
  /** Jobs that will wait. */
  readonly jobs: number;
  /** Bytes to store; 0 = none or not known yet, and then only an owner that has used up its quota is refused. */
  readonly bytes: number;
}

export interface Quotas {
  /** False when nothing is bounded: no statement is run then. */
  readonly isBounded: boolean;
  /**
   * Null for a demand that may be met, else why not; those that come first are counted for those after them. No other
   * transaction gets more for these owners before this one has ended, so call it late and commit soon.
   */
  admit(tx: Transaction, demands: readonly Demand[]): Promise<(QuotaExceededError | null)[]>;
  /** @throws QuotaExceededError */
  demand(tx: Transaction, demand: Demand): Promise<void>;
  /** For a transaction that has put jobs of these owners back in the line. @throws QuotaExceededError */
  recountJobs(tx: Transaction, ownerIds: readonly string[]): Promise<void>;
}

/** Bounds what each owner may have, exactly, however many ask at once. */
export function createQuotas({ queuedJobs, storedBytes }: QuotaLimits): Quotas {
  // One more than allowed is known to be too many.
  const maxJobs = queuedJobs === null ? 0 : queuedJobs + 1;
  const isBounded = queuedJobs !== null || storedBytes !== null;

  const judge = (has: { jobs: number; bytes: number }, wants: Demand): QuotaExceededError | null => {
    if (queuedJobs !== null && wants.jobs > 0 && has.jobs + wants.jobs > queuedJobs) {
      return new QuotaExceededError("queued jobs", queuedJobs);
    }
    if (storedBytes !== null && (has.bytes >= storedBytes || has.bytes + wants.bytes > storedBytes)) {
      return new QuotaExceededError("stored bytes", storedBytes);
    }
    return null;
  };

  const admit = async (tx: Transaction, demands: readonly Demand[]) => {
    if (!isBounded || demands.length === 0) return demands.map(() => null);
    const owners = [...new Set(demands.map(({ ownerId }) => ownerId))];
    await lockOwners(tx, owners);
    const used = await usageOf(tx, owners, { maxJobs, countBytes: storedBytes !== null });
    const usage = new Map(used.map((row) => [row.ownerId, { jobs: row.queuedJobs, bytes: row.storedBytes }]));
    return demands.map((demand) => {
      const has = usage.get(demand.ownerId) ?? { jobs: 0, bytes: 0 };
      const refusal = judge(has, demand);
      if (refusal) return refusal;
      usage.set(demand.ownerId, { jobs: has.jobs + demand.jobs, bytes: has.bytes + demand.bytes });
      return null;
    });
  };

  return {
    isBounded,
    admit,
    async demand(tx, demand) {
      const [refusal] = await admit(tx, [demand]);
      if (refusal) throw refusal;
    },
    async recountJobs(tx, ownerIds) {
      if (queuedJobs === null || ownerIds.length === 0) return;
      const owners = [...new Set(ownerIds)];
      await lockOwners(tx, owners);
      const used = await usageOf(tx, owners, { maxJobs, countBytes: false });
      if (used.some((usage) => usage.queuedJobs > queuedJobs))
        throw new QuotaExceededError("queued jobs", queuedJobs);
    },
  };
}

/** Bounds nothing. */
export const NO_QUOTAS: Quotas = createQuotas({ queuedJobs: null, storedBytes: null });
