import type { Auditor } from "../audit/auditor.ts";
import type { Database, ScopedTransaction } from "../db/sql.ts";
import type { EventBus } from "../events/bus.ts";
import type { LoggedEvent } from "../events/model.ts";
import { type Caller, type Scope, scopeOf } from "../lib/caller.ts";
import type { SecretBox } from "../lib/secret-box.ts";
import type { PipelineVersion } from "../pipelines/model.ts";
import type { PipelinesService } from "../pipelines/service.ts";
import type { Queue } from "../queue/queue.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { ClaimedJob } from "./claim-queries.ts";
import { createJobCreator, type JobRequest } from "./create.ts";
import type { Document } from "./documents/model.ts";
import type { RemoteDocuments } from "./documents/remote.ts";
import type { DocumentsService } from "./documents/service.ts";
import { JobAlreadyFinalError, JobNotFinalError, JobNotFoundError, JobNotRetryableError } from "./errors.ts";
import type { Expiry } from "./expiry.ts";
import { doomObjects } from "./expiry-queries.ts";
import { entryOf } from "./job-row.ts";
import type { Job, JobFilter, JobStage, JobStatus, Waiting } from "./model.ts";
import {
  countJobs,
  deleteJob,
  findJob,
  findJobIds,
  findJobWithStages,
  listJobs,
  requestCancel,
  requeue,
} from "./queries.ts";
import { NO_QUOTAS, type Quotas } from "./quotas.ts";
import { createResults } from "./results.ts";
import { createWaiting } from "./waiting.ts";
import { createJobWatch } from "./watch.ts";
import { watchJobs } from "./watch-many.ts";

export interface JobsDeps {
  db: Database;
  documents: DocumentsService;
  remote: Pick<RemoteDocuments, "prepare">;
  pipelines: PipelinesService;
  audit: Auditor;
  bus: EventBus;
  queue: Pick<Queue<ClaimedJob>, "enqueue" | "withdraw">;
  store: ObjectStore;
  metrics: Metrics;
  quotas?: Quotas;
  passwords: SecretBox;
  expiry: Pick<Expiry, "removeObjects">;
  /** How long a job is kept after its end; null: until it is deleted. */
  retentionMs: number | null;
  requestHashKey: Uint8Array;
  newId: () => string;
  now: () => number;
}

/** A job with what its full view shows. */
export interface JobDetails {
  job: Job;
  document: Document | null;
  stages: JobStage[];
  snapshot: PipelineVersion;
  waiting: Waiting | null;
}

/** What became of a change of many. */
export interface ManyDone {
  ids: string[];
  /** More jobs match; call again. */
  hasMore: boolean;
}

export type JobsService = ReturnType<typeof createJobsService>;

/** The verbs of callers. Every change commits together with its event and its audit entry. */
export function createJobsService(deps: JobsDeps) {
  const { db, documents, pipelines, audit, bus, queue, store, metrics, expiry, retentionMs } = deps;
  const { quotas = NO_QUOTAS } = deps;
  const watchJob = createJobWatch({ db, bus });
  const creator = createJobCreator(deps);
  const waitingOf = createWaiting(deps);

  /** Asks for all that does not depend on the job's state at once. @throws JobNotFoundError */
  const detailsOf = async (scope: Scope, id: string): Promise<JobDetails> => {
    const [found, document, snapshot] = await Promise.all([
      findJobWithStages(db.scoped(scope), id),
      documents.ofJob(scope, id),
      pipelines.snapshotOfJob(id),
    ]);
    if (!found || !snapshot) throw new JobNotFoundError(id);
    const { job } = found;
    const stages = completeStages(job, snapshot, found.stages);
    return { job, document, stages, snapshot, waiting: await waitingOf(job) };
  };

  const find = async (scope: Scope, id: string): Promise<Job> => {
    const job = await findJob(db.scoped(scope), id);
    if (!job) throw new JobNotFoundError(id);
    return job;
  };

  const withDocuments = async (
    scope: Scope,
    jobs: Job[],
  ): Promise<{ job: Job; document: Document | null }[]> => {
    const found = await documents.many(scope, [...new Set(jobs.map(({ documentId }) => documentId))]);
    return jobs.map((job) => ({ job, document: found.get(job.documentId) ?? null }));
  };

  /** A change of many jobs and its audit entries, in one transaction. */
  const changeMany = async (
    caller: Caller,
    scope: Scope,
    action: string,
    details: Record<string, string>,
    change: (tx: ScopedTransaction) => Promise<{ done: Job[]; hasMore: boolean }>,
  ): Promise<{ done: Job[]; hasMore: boolean }> =>
    await db.beginScoped(scope, async (tx) => {
      const changed = await change(tx);
      await audit.recordMany(
        tx,
        changed.done.map(({ id }) => ({
          actor: caller,
          action,
          resourceType: "job",
          resourceId: id,
          details,
        })),
      );
      return changed;
    });

  /** Those that were cancelled while they waited. */
  const withdrawn = async (jobs: readonly Job[]): Promise<void> => {
    const waited = jobs.filter(({ status }) => status === "CANCELLED");
    for (const { pipelineName: pipeline, priority } of waited)
      metrics.jobsCancelled.inc({ pipeline, priority });
    await queue.withdraw(waited.map(entryOf));
  };

  return {
    /** Durable before it returns; a repeated `requestId` returns the job that it made. */
    async create(caller: Caller, request: JobRequest): Promise<{ job: Job; document: Document | null }> {
      const job = await creator.create(caller, request);
      const [view] = await withDocuments(scopeOf(caller, "jobs:read"), [job]);
      return view ?? { job, document: null };
    },

    /** All in one transaction; an item that is at fault gets its error in its place and the others are created. */
    async createBatch(
      caller: Caller,
      requests: readonly (JobRequest | Error)[],
    ): Promise<({ job: Job; document: Document | null } | Error)[]> {
      const results = await creator.createBatch(caller, requests);
      const views = await withDocuments(
        scopeOf(caller, "jobs:read"),
        results.filter((item): item is Job => !(item instanceof Error)),
      );
      const byId = new Map(views.map((view) => [view.job.id, view]));
      return results.map((item) =>
        item instanceof Error ? item : (byId.get(item.id) ?? { job: item, document: null }),
      );
    },

    /** @throws JobNotFoundError */
    async get(caller: Caller, id: string): Promise<JobDetails> {
      const scope = scopeOf(caller, "jobs:read");
      return await detailsOf(scope, id);
    },

    /** A page of jobs, newest first, without stages and snapshots. */
    async list(
      caller: Caller,
      filter: JobFilter,
      page: { limit: number; beforeId: string | null },
    ): Promise<{ job: Job; document: Document | null }[]> {
      const scope = scopeOf(caller, "jobs:read");
      return await withDocuments(scope, await listJobs(db.scoped(scope), filter, page));
    },

    async count(caller: Caller, filter: JobFilter): Promise<{ status: JobStatus; count: number }[]> {
      return await countJobs(db.scoped(scopeOf(caller, "jobs:read")), filter);
    },

    /**
     * A waiting job is CANCELLED at once, a running one CANCELLING until its worker has stopped.
     * @throws JobNotFoundError, JobAlreadyFinalError
     */
    async cancel(caller: Caller, id: string, reason: string): Promise<JobDetails> {
      const scope = scopeOf(caller, "jobs:cancel");
      const job = await db.beginScoped(scope, async (tx) => {
        const changed = await requestCancel(tx, id, { reason, retentionMs });
        if (!changed) {
          const current = await findJob(tx, id);
          throw current ? new JobAlreadyFinalError(id, current.status) : new JobNotFoundError(id);
        }
        await audit.record(tx, caller, { action: "jobs.cancel", resourceType: "job", resourceId: id });
        return changed;
      });
      bus.announce("orders", [job.id]);
      bus.announce("events", [job.id]);
      await withdrawn([job]);
      return await detailsOf(scope, job.id);
    },

    /**
     * A failed or cancelled job runs again from its first unfinished stage.
     * @throws JobNotFoundError, JobNotRetryableError, QuotaExceededError
     */
    async retry(caller: Caller, id: string): Promise<JobDetails> {
      const scope = scopeOf(caller, "jobs:create");
      const job = await db.beginScoped(scope, async (tx) => {
        const changed = await requeue(tx, id);
        if (!changed) {
          const current = await findJob(tx, id);
          throw current ? new JobNotRetryableError(id, current.status) : new JobNotFoundError(id);
        }
        await quotas.recountJobs(tx, [changed.ownerId]);
        await audit.record(tx, caller, { action: "jobs.retry", resourceType: "job", resourceId: id });
        return changed;
      });
      bus.announce("events", [job.id]);
      await queue.enqueue([entryOf(job)]);
      return await detailsOf(scope, job.id);
    },

    /** Cancels up to `max` waiting and running jobs that match, in one transaction; the oldest first. */
    async cancelMany(caller: Caller, filter: JobFilter, max: number, reason: string): Promise<ManyDone> {
      const scope = scopeOf(caller, "jobs:cancel");
      const { done, hasMore } = await changeMany(
        caller,
        scope,
        "jobs.cancel",
        reason ? { reason } : {},
        async (tx) => {
          const ids = await findJobIds(tx, filter, ["CREATED", "PROCESSING"], max + 1);
          const changed = await eachOf(ids.slice(0, max), (id) =>
            requestCancel(tx, id, { reason, retentionMs }),
          );
          return { done: changed, hasMore: ids.length > max };
        },
      );
      const ids = done.map(({ id }) => id);
      bus.announce("orders", ids);
      bus.announce("events", ids);
      await withdrawn(done);
      return { ids, hasMore };
    },

    /**
     * Runs up to `max` failed and cancelled jobs that match again, in one transaction; the oldest first.
     * @throws QuotaExceededError when an owner would have too many jobs that wait: then none is run
     */
    async retryMany(caller: Caller, filter: JobFilter, max: number): Promise<ManyDone> {
      const scope = scopeOf(caller, "jobs:create");
      const { done, hasMore } = await changeMany(caller, scope, "jobs.retry", {}, async (tx) => {
        const ids = await findJobIds(tx, filter, ["FAILED", "CANCELLED"], max + 1);
        const changed = await eachOf(ids.slice(0, max), (id) => requeue(tx, id));
        await quotas.recountJobs(
          tx,
          changed.map(({ ownerId }) => ownerId),
        );
        return { done: changed, hasMore: ids.length > max };
      });
      const ids = done.map(({ id }) => id);
      bus.announce("events", ids);
      await queue.enqueue(done.map(entryOf));
      return { ids, hasMore };
    },

    /**
     * Removes the job with its result and, when no other job uses it, its document. Objects whose removal the
     * store refuses are removed by a later sweep: the job is gone all the same.
     * @throws JobNotFoundError, JobNotFinalError
     */
    async delete(caller: Caller, id: string): Promise<void> {
      const scope = scopeOf(caller, "jobs:delete");
      const orphans = await db.beginScoped(scope, async (tx) => {
        const keys = await deleteJob(tx, id);
        if (!keys) {
          const current = await findJob(tx, id);
          throw current ? new JobNotFinalError(id, current.status) : new JobNotFoundError(id);
        }
        await doomObjects(tx, keys);
        await audit.record(tx, caller, { action: "jobs.delete", resourceType: "job", resourceId: id });
        return keys;
      });
      // What fails here is done by a sweep.
      await expiry.removeObjects(orphans).catch(() => {});
    },

    /**
     * The events of a job after `afterSequence`, then those to come, until the final one; null stands for a
     * keep-alive. @throws JobNotFoundError
     */
    async *watch(
      caller: Caller,
      id: string,
      afterSequence: number,
      signal: AbortSignal,
    ): AsyncGenerator<LoggedEvent | null> {
      const scope = scopeOf(caller, "jobs:read");
      // As the database spells it: wake-ups name jobs so.
      const { id: known } = await find(scope, id);
      yield* watchJob({ scope, id: known, afterSequence, signal });
    },

    /** The events of all jobs that the filter finds, from now on; null is a keep-alive. */
    watchMany(caller: Caller, filter: JobFilter, signal: AbortSignal): AsyncGenerator<LoggedEvent | null> {
      return watchJobs({ db, bus }, { scope: scopeOf(caller, "jobs:read"), filter, signal });
    },

    ...createResults({ db, store, find }),
  };
}

/** One after the other, since they share a transaction; those that no longer fit are left out. */
async function eachOf(ids: readonly string[], change: (id: string) => Promise<Job | null>): Promise<Job[]> {
  const changed: Job[] = [];
  for (const id of ids) {
    const job = await change(id);
    if (job) changed.push(job);
  }
  return changed;
}

/** Every stage of the pipeline: those that have not begun as PENDING, one that was left in the middle as what became of it. */
function completeStages(job: Job, snapshot: PipelineVersion, begun: readonly JobStage[]): JobStage[] {
  const runs = job.status === "PROCESSING" || job.status === "CANCELLING";
  const left = job.status === "CANCELLED" ? "CANCELLED" : job.status === "FAILED" ? "FAILED" : "PENDING";
  const byPosition = new Map(
    begun.map((stage) => [
      stage.position,
      stage.status === "RUNNING" && !runs ? ({ ...stage, status: left } as const) : stage,
    ]),
  );
  return snapshot.stages.map(
    (stage, position) =>
      byPosition.get(position) ?? {
        position,
        name: stage.name,
        type: stage.type,
        status: "PENDING",
        attempt: 0,
        startTime: null,
        endTime: null,
        error: null,
        fromCheckpoint: false,
      },
  );
}
