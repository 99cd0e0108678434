import type { Auditor } from "../audit/auditor.ts";
import { systemActor } from "../audit/model.ts";
import type { Database } from "../db/sql.ts";
import { everybody } from "../lib/caller.ts";
import { messageOf, SluiceError } from "../lib/errors.ts";
import type { Lifecycle } from "../lib/lifecycle.ts";
import { createPeriodic } from "../lib/periodic.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import type { Logger } from "../telemetry/logger.ts";
import { lateUploads } from "./documents/body-queries.ts";
import { removeObjects } from "./documents/objects.ts";
import type { DocumentsService } from "./documents/service.ts";
import { deleteExpiredDocuments, doomedObjects, doomObjects, lockExpiredJobs } from "./expiry-queries.ts";
import { deleteJob } from "./queries.ts";

/** Jobs, and documents, of one transaction. */
const BATCH = 50;
/** Transactions of one turn: a long backlog must not keep a stop waiting. */
const MAX_BATCHES = 20;
const OBJECTS = 500;
/** Whoever has doomed an object removes it at once; this long it is left to them. */
const LEFT_TO_OTHERS_MS = 30_000;

export interface ExpiryDeps {
  readonly db: Database;
  readonly store: ObjectStore;
  readonly audit: Auditor;
  readonly documents: Pick<DocumentsService, "takeUpload">;
}

export type Expiry = ReturnType<typeof createExpiry>;

/**
 * Deletes jobs with their results, and documents, when their time is over. Rows go first and their objects after, noted
 * in between: a process may die anywhere, and neither a row lacks its object nor stays an object for ever.
 */
export function createExpiry({ db, store, audit, documents }: ExpiryDeps) {
  const remove = (keys: readonly string[]): Promise<void> => removeObjects({ db, store }, keys);

  const deleteJobs = async (): Promise<{ ids: string[]; keys: string[] }> =>
    await db.beginScoped(everybody("what has expired goes, whoever owns it"), async (tx) => {
      const ids = await lockExpiredJobs(tx, BATCH);
      const keys: string[] = [];
      for (const id of ids) keys.push(...((await deleteJob(tx, id)) ?? []));
      await doomObjects(tx, keys);
      await recordAll(tx, "jobs.expire", "job", ids);
      return { ids, keys };
    });

  const deleteDocuments = async (): Promise<{ ids: string[]; keys: string[] }> => {
    await takeLateUploads();
    return await db.begin(async (tx) => {
      const documents = await deleteExpiredDocuments(tx, BATCH);
      const keys = documents.flatMap(({ objectKey }) => objectKey ?? []);
      const ids = documents.map(({ id }) => id);
      await doomObjects(tx, keys);
      await recordAll(tx, "documents.expire", "document", ids);
      return { ids, keys };
    });
  };

  /** Documents that have come and that no job has asked for. Those that cannot be looked at must not be forgotten. */
  const takeLateUploads = async (): Promise<void> => {
    for (const id of await lateUploads(db.sql, BATCH)) {
      await documents.takeUpload(id).catch((error: unknown) => {
        if (!(error instanceof SluiceError) || error.kind === "unavailable") throw error;
      });
    }
  };

  const recordAll = async (
    tx: Parameters<Auditor["recordMany"]>[0],
    action: string,
    resourceType: string,
    ids: readonly string[],
  ): Promise<void> => {
    const actor = systemActor("expiry");
    await audit.recordMany(
      tx,
      ids.map((resourceId) => ({ actor, action, resourceType, resourceId })),
    );
  };

  return {
    /** Removes those of these objects that nothing names; what fails is tried again by a later turn. */
    removeObjects: remove,

    /** One turn: what is over at this moment, as far as one turn takes it, and objects that others have left. */
    async sweep(): Promise<{ jobs: number; documents: number; objects: number }> {
      const done = { jobs: 0, documents: 0, objects: 0 };
      for (const [what, work] of [
        ["jobs", deleteJobs],
        ["documents", deleteDocuments],
      ] as const) {
        for (let batch = 0; batch < MAX_BATCHES; batch++) {
          const { ids, keys } = await work();
          await remove(keys);
          done[what] += ids.length;
          if (ids.length < BATCH) break;
        }
      }
      const left = await doomedObjects(db.sql, LEFT_TO_OTHERS_MS, OBJECTS);
      await remove(left);
      return { ...done, objects: left.length };
    },
  };
}

/** Sweeps again and again; any number of processes may do so. */
export function createExpirySweeper(deps: {
  readonly expiry: Pick<Expiry, "sweep">;
  readonly intervalMs: number;
  readonly logger: Logger;
}): Lifecycle {
  const { expiry, intervalMs, logger } = deps;

  const sweep = async (): Promise<void> => {
    try {
      const done = await expiry.sweep();
      if (done.jobs + done.documents + done.objects > 0) logger.info(done, "what had expired was deleted");
    } catch (error) {
      logger.warn({ error: messageOf(error) }, "what has expired could not be deleted; tried again soon");
    }
  };

  return createPeriodic(sweep, intervalMs);
}
