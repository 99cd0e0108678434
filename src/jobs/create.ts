import type { Auditor } from "../audit/auditor.ts";
import { type Database, isConnectionLoss, sqlState, type Transaction } from "../db/sql.ts";
import type { Json } from "../extract/model.ts";
import { type Caller, ownScope } from "../lib/caller.ts";
import { createCoalescer } from "../lib/coalesce.ts";
import { requestHash } from "../lib/request-hash.ts";
import type { SecretBox } from "../lib/secret-box.ts";
import type { PipelinesService } from "../pipelines/service.ts";
import type { Queue } from "../queue/queue.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { ClaimedJob } from "./claim-queries.ts";
import type { NewDocument } from "./documents/queries.ts";
import type { RemoteDocuments } from "./documents/remote.ts";
import type { DocumentsService } from "./documents/service.ts";
import { DocumentNotFoundError, type QuotaExceededError } from "./errors.ts";
import { entryOf } from "./job-row.ts";
import type { Job, JobPriority } from "./model.ts";
import { insertJobs, type NewJob } from "./queries.ts";
import { NO_QUOTAS, type Quotas } from "./quotas.ts";
import { findRepeated, firstOfEachRequest } from "./request-ids.ts";

export type JobSource =
  | { kind: "text"; text: string; filename: string }
  | { kind: "inline"; bytes: Uint8Array; filename: string; mediaType: string }
  | { kind: "document"; documentId: string }
  | { kind: "uri"; uri: string; filename: string };

/** What a caller asks for; already checked against the rules of the contract. */
export interface JobRequest {
  pipelineId: string;
  pipelineName: string;
  /** 0 = the newest. */
  pipelineVersion: number;
  source: JobSource;
  priority: JobPriority;
  labels: Record<string, string>;
  parameters: { [key: string]: Json };
  password: string;
  /** Null: at once. */
  runTime: Date | null;
  timeoutMs: number | null;
  /** 0 = the default. */
  maxAttempts: number;
  requestId: string;
  concurrencyKey: string;
  /** 0 = the default, 1. */
  concurrencyLimit: number;
}

export const DEFAULT_MAX_ATTEMPTS = 3;
/** Bounds of one coalesced insert. */
const BATCH = { lanes: 2, maxItems: 500, maxWeight: 4 * 1024 * 1024 };

const FOREIGN_KEY_VIOLATION = "23503";

/** A job ready to be written, with its document when the request brought one. */
interface Prepared {
  caller: Caller;
  job: NewJob;
  document: NewDocument | null;
}

interface CreatorDeps {
  db: Database;
  documents: DocumentsService;
  remote: Pick<RemoteDocuments, "prepare">;
  pipelines: PipelinesService;
  audit: Auditor;
  queue: Pick<Queue<ClaimedJob>, "enqueue">;
  metrics: Metrics;
  /** Without them a user may have as many waiting jobs and stored bytes as there is room for. */
  quotas?: Quotas;
  passwords: SecretBox;
  /** 32 bytes, the same on every server. */
  requestHashKey: Uint8Array;
  newId: () => string;
}

/** Creates jobs: single calls that come at once share one transaction. */
export function createJobCreator(deps: CreatorDeps) {
  const { db, documents, remote, pipelines, audit, queue, metrics, passwords, requestHashKey, newId } = deps;
  const { quotas = NO_QUOTAS } = deps;

  const prepare = async (caller: Caller, request: JobRequest): Promise<Prepared> => {
    const { source } = request;
    const pipeline = await pipelines.forNewJob({
      id: request.pipelineId,
      name: request.pipelineName,
      version: request.pipelineVersion,
    });
    const id = newId();
    const document =
      source.kind === "document"
        ? null
        : source.kind === "uri"
          ? remote.prepare(caller.userId, source)
          : await documents.prepare(caller.userId, {
              filename: source.filename,
              mediaType: source.kind === "text" ? "text/plain" : source.mediaType,
              bytes: source.kind === "text" ? Buffer.from(source.text) : source.bytes,
              source: source.kind === "text" ? "TEXT" : "INLINE",
            });
    const documentId =
      document?.id ??
      (source.kind === "document" ? (await documents.getUsable(caller, source.documentId)).id : "");
    return {
      caller,
      document,
      job: {
        id,
        ownerId: caller.userId,
        priority: request.priority,
        pipelineId: pipeline.pipelineId,
        pipelineName: pipeline.name,
        pipelineVersion: pipeline.version,
        stagesTotal: pipeline.stages.length,
        documentId,
        labels: request.labels,
        parameters: request.parameters,
        password: request.password ? passwords.seal(request.password, id) : null,
        requestId: request.requestId || null,
        requestHash: request.requestId
          ? hashOf(
              requestHashKey,
              request,
              source.kind === "uri" ? source.uri : (document?.sha256 ?? documentId),
            )
          : null,
        concurrencyKey: request.concurrencyKey || null,
        concurrencyLimit: request.concurrencyLimit || 1,
        maxAttempts: request.maxAttempts || DEFAULT_MAX_ATTEMPTS,
        runTime: request.runTime,
        timeoutMs: request.timeoutMs,
      },
    };
  };

  /**
   * Writes all in one transaction; answers in order, an error for a request id that was used for something else and for
   * what goes beyond a quota.
   */
  const write = async (items: readonly Prepared[]): Promise<(Job | Error)[]> => {
    const owners = items.map(({ caller }) => ownScope(caller));
    const { answers, created } = await db.beginWalled(owners, async (tx) => {
      const repeated = await findRepeated(tx, items);
      const wanted = firstOfEachRequest(items.filter(({ job }) => !repeated.has(job.id)));
      const refused = await findRefused(tx, wanted);
      const fresh = wanted.filter(({ job }) => !refused.has(job.id));
      await documents.insert(
        tx,
        fresh.flatMap(({ document }) => document ?? []),
      );
      const inserted =
        fresh.length > 0
          ? await insertJobs(
              tx,
              fresh.map(({ job }) => job),
            )
          : [];
      const byId = new Map(inserted.map((job) => [job.id, job]));
      // Those that another transaction, or an earlier item of this batch, beat to their request id.
      const late = await findRepeated(
        tx,
        items.filter(({ job }) => !byId.has(job.id) && !repeated.has(job.id)),
      );
      await documents.discard(
        tx,
        fresh.filter(({ job }) => !byId.has(job.id)).flatMap(({ document }) => document?.id ?? []),
      );
      await audit.recordMany(
        tx,
        fresh
          .filter(({ job }) => byId.has(job.id))
          .map(({ caller, job }) => ({
            actor: caller,
            action: "jobs.create",
            resourceType: "job",
            resourceId: job.id,
            details: { pipeline: job.pipelineName, document_id: job.documentId },
          })),
      );
      return {
        created: inserted,
        answers: items.map(
          ({ job }) =>
            byId.get(job.id) ??
            repeated.get(job.id) ??
            late.get(job.id) ??
            refused.get(job.id) ??
            new Error(`job ${job.id} was neither created nor found`),
        ),
      };
    });
    const ids = new Set(created.map(({ id }) => id));
    await documents.forget(
      items.flatMap(({ job, document }) => (document && !ids.has(job.id) ? document : [])),
    );
    for (const job of created)
      metrics.jobsCreated.inc({ pipeline: job.pipelineName, priority: job.priority });
    // The answer does not wait for the queue: what it misses, the reconciliation finds.
    void queue.enqueue(created.map(entryOf));
    return answers;
  };

  const findRefused = async (
    tx: Transaction,
    items: readonly Prepared[],
  ): Promise<Map<string, QuotaExceededError>> => {
    const demands = items.map(({ job, document }) => ({
      ownerId: job.ownerId,
      jobs: 1,
      bytes: document?.sizeBytes ?? 0,
    }));
    const refusals = await quotas.admit(tx, demands);
    return new Map(
      items.flatMap(({ job }, index) => {
        const refusal = refusals[index];
        return refusal ? [[job.id, refusal]] : [];
      }),
    );
  };

  /** Like `write`; of a single item, a throw that its caller can do something about is named. */
  const writeNamed = async (items: readonly Prepared[]): Promise<(Job | Error)[]> => {
    try {
      return await write(items);
    } catch (error) {
      const [only] = items;
      // After a lost connection nobody knows whether the commit stands.
      if (items.length === 1 && only?.document && !isConnectionLoss(error))
        await documents.forget([only.document]);
      // The document was deleted between the look at it and the insert.
      if (items.length === 1 && only && !only.document && sqlState(error) === FOREIGN_KEY_VIOLATION) {
        throw new DocumentNotFoundError(only.job.documentId);
      }
      throw error;
    }
  };

  /** All together or, when that fails for the sake of one, each by itself. */
  const writeAll = async (items: readonly Prepared[]): Promise<(Job | Error)[]> => {
    try {
      return await writeNamed(items);
    } catch (error) {
      if (isConnectionLoss(error)) throw error;
      if (items.length === 1) return [asError(error)];
      const answers: (Job | Error)[] = [];
      for (const item of items) answers.push(...(await writeAll([item])));
      return answers;
    }
  };

  const coalesced = createCoalescer<Prepared, Job>({
    ...BATCH,
    weigh: ({ document }) =>
      (document && "content" in document.body ? document.body.content.length : 0) + 1_000,
    isShared: isConnectionLoss,
    run: writeNamed,
  });

  return {
    async create(caller: Caller, request: JobRequest): Promise<Job> {
      return await coalesced(await prepare(caller, request));
    },

    async createBatch(caller: Caller, requests: readonly (JobRequest | Error)[]): Promise<(Job | Error)[]> {
      const prepared = await Promise.all(
        requests.map(async (request) => {
          if (request instanceof Error) return request;
          try {
            return await prepare(caller, request);
          } catch (error) {
            return asError(error);
          }
        }),
      );
      const good = prepared.filter((item): item is Prepared => !(item instanceof Error));
      const lost = prepared.find(isConnectionLoss);
      if (lost) {
        // No item is at fault: the whole call can be made again.
        await documents.forget(good.flatMap(({ document }) => document ?? []));
        throw lost;
      }
      const written = good.length > 0 ? await writeAll(good) : [];
      const answers = new Map(good.map((item, index) => [item, written[index]]));
      return prepared.map((item) =>
        item instanceof Error ? item : (answers.get(item) ?? new Error("no answer for this item")),
      );
    },
  };
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** What makes two requests the same: everything but the request id, documents by their content. */
function hashOf(key: Uint8Array, request: JobRequest, documentKey: string): string {
  const { source, requestId: _, ...rest } = request;
  const filename = "filename" in source ? source.filename : "";
  return requestHash(key, {
    ...rest,
    runTime: rest.runTime?.toISOString() ?? null,
    documentKey,
    filename,
  });
}
