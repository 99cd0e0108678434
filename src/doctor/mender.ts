import type { Auditor } from "../audit/auditor.ts";
import { systemActor } from "../audit/model.ts";
import type { Database, Transaction } from "../db/sql.ts";

/** A change of the doctor: committed together with an audit row for each thing that it touched, or not at all. */
export type Mender = (
  entry: {
    readonly action: string;
    readonly resourceType: string;
    readonly details?: Record<string, unknown>;
  },
  change: (tx: Transaction) => Promise<readonly string[]>,
) => Promise<readonly string[]>;

export function createMender({ db, audit }: { db: Database; audit: Auditor }): Mender {
  const actor = systemActor("doctor");
  return async (entry, change) =>
    await db.begin(async (tx) => {
      const touched = await change(tx);
      await audit.recordMany(
        tx,
        touched.map((resourceId) => ({ ...entry, actor, resourceId })),
      );
      return touched;
    });
}
