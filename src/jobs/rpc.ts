import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  BatchCreateJobsResponse_ResultSchema,
  type CountJobsRequest,
  type CreateJobRequest,
  CreateJobRequestSchema,
  type DownloadJobResultResponseSchema,
  JobsService as JobsServiceDesc,
  type ListJobsRequest,
  type UploadDocumentRequest,
  type JobFilter as WireFilter,
} from "../../gen/sluice/v1/jobs_pb.ts";
import { InvalidRequestError, messageOf } from "../lib/errors.ts";
import { timestampOf } from "../lib/wire-time.ts";
import { callerOf, requestIdOf } from "../rpc/context.ts";
import { idCursor } from "../rpc/id-cursor.ts";
import { type PageTokens, pageSize } from "../rpc/pages.ts";
import { registerService } from "../rpc/service.ts";
import { toStatus } from "../rpc/status.ts";
import type { RequestValidator } from "../rpc/validation.ts";
import type { Logger } from "../telemetry/logger.ts";
import {
  detailsToMessage,
  documentToMessage,
  eventToMessage,
  filterFromMessage,
  formatFromWire,
  formatToWire,
  jobRequestFromMessage,
  jobToMessage,
  resultToMessage,
  type SnapshotToMessage,
  statusToWire,
} from "./convert.ts";
import type { JobRequest } from "./create.ts";
import type { DocumentsService } from "./documents/service.ts";
import { OffsetOutOfRangeError } from "./errors.ts";
import type { JobsService } from "./service.ts";

/** Jobs that one call of a batch verb changes at the most. */
const MAX_JOBS = 1_000;

export interface JobRoutesDeps {
  jobs: JobsService;
  documents: DocumentsService;
  pages: PageTokens;
  validator: RequestValidator;
  logger: Logger;
  now: () => number;
  snapshotToMessage: SnapshotToMessage;
}

/** The handlers of JobsService. */
export const jobRoutes = ({
  jobs,
  documents,
  pages,
  validator,
  logger,
  now,
  snapshotToMessage,
}: JobRoutesDeps) =>
  registerService(JobsServiceDesc, {
    async createJob(request, context) {
      const { job, document } = await jobs.create(callerOf(context), jobRequestFromMessage(request, now()));
      return { job: jobToMessage(job, document) };
    },

    async batchCreateJobs({ requests }, context) {
      const results = await jobs.createBatch(
        callerOf(context),
        requests.map((request) => itemFromMessage(validator, request, now())),
      );
      const requestId = requestIdOf(context);
      const scope = {
        requestId,
        onUnexpected: (error: unknown) =>
          logger.error({ requestId, err: error }, "an item of a batch failed"),
        onDatabaseLost: (error: unknown) =>
          logger.warn(
            { requestId, error: messageOf(error) },
            "the database did not answer an item of a batch; its caller was told to try again",
          ),
      };
      return {
        results: results.map((item) =>
          create(BatchCreateJobsResponse_ResultSchema, {
            outcome:
              item instanceof Error
                ? { case: "status", value: toStatus(item, scope) }
                : { case: "job", value: jobToMessage(item.job, item.document) },
          }),
        ),
      };
    },

    async getJob({ id }, context) {
      return { job: detailsToMessage(await jobs.get(callerOf(context), id), snapshotToMessage) };
    },

    async listJobs(request, context) {
      const limit = pageSize(request.pageSize);
      const filter = filterFromMessage(filterFields(request));
      const list = { list: "jobs", userId: callerOf(context).userId, ...filter };
      const beforeId = idCursor(pages.decode(list, request.pageToken));
      const found = await jobs.list(callerOf(context), filter, { limit: limit + 1, beforeId });
      const page = found.slice(0, limit);
      const last = page.at(-1);
      return {
        jobs: page.map(({ job, document }) => jobToMessage(job, document)),
        nextPageToken: found.length > limit && last ? pages.encode(list, [last.job.id]) : "",
      };
    },

    async countJobs(request, context) {
      const counts = await jobs.count(callerOf(context), filterFromMessage(filterFields(request)));
      return {
        total: BigInt(counts.reduce((sum, { count }) => sum + count, 0)),
        statuses: counts.map(({ status, count }) => ({ status: statusToWire(status), count: BigInt(count) })),
      };
    },

    async cancelJob({ id, reason }, context) {
      return { job: detailsToMessage(await jobs.cancel(callerOf(context), id, reason), snapshotToMessage) };
    },

    async retryJob({ id }, context) {
      return { job: detailsToMessage(await jobs.retry(callerOf(context), id), snapshotToMessage) };
    },

    async batchCancelJobs({ filter, maxJobs, reason }, context) {
      const fields = filterFromMessage(filterFields(wanted(filter)));
      const done = await jobs.cancelMany(callerOf(context), fields, maxJobs || MAX_JOBS, reason);
      return { jobIds: done.ids, hasMore: done.hasMore };
    },

    async batchRetryJobs({ filter, maxJobs }, context) {
      const fields = filterFromMessage(filterFields(wanted(filter)));
      const done = await jobs.retryMany(callerOf(context), fields, maxJobs || MAX_JOBS);
      return { jobIds: done.ids, hasMore: done.hasMore };
    },

    async deleteJob({ id }, context) {
      await jobs.delete(callerOf(context), id);
      return {};
    },

    async *watchJob({ id, afterSequence }, context) {
      for await (const event of jobs.watch(callerOf(context), id, afterSequence, context.signal)) {
        yield event ? { event: eventToMessage(event) } : {};
      }
    },

    async *watchJobs({ filter }, context) {
      const fields = filter ? filterFromMessage(filterFields(filter)) : {};
      for await (const event of jobs.watchMany(callerOf(context), fields, context.signal)) {
        yield event ? { event: eventToMessage(event) } : {};
      }
    },

    async getJobResult({ id }, context) {
      const { result, download } = await jobs.result(callerOf(context), id);
      return { result: resultToMessage(result, download) };
    },

    async *downloadJobResult({ id, format: wireFormat, offset: from }, context) {
      const format = formatFromWire(wireFormat);
      const start = Number(from);
      const { content, body } = await jobs.download(callerOf(context), id, format, start, context.signal);
      if (start > content.sizeBytes) throw new OffsetOutOfRangeError(start, content.sizeBytes);
      const { wire, mediaType, suffix } = formatToWire(format);
      const metadata = {
        mediaType,
        sizeBytes: BigInt(content.sizeBytes),
        sha256: content.sha256,
        format: wire,
        filename: `${id}.${suffix}`,
      };
      yield { payload: { case: "metadata", value: metadata }, offset: from } satisfies MessageInitShape<
        typeof DownloadJobResultResponseSchema
      >;
      let offset = start;
      for await (const chunk of body) {
        context.signal.throwIfAborted();
        yield {
          payload: { case: "chunk", value: Uint8Array.from(chunk) },
          offset: BigInt(offset),
        } satisfies MessageInitShape<typeof DownloadJobResultResponseSchema>;
        offset += chunk.length;
      }
    },

    async uploadDocument(requests, context) {
      const messages = requests[Symbol.asyncIterator]();
      const first = await messages.next();
      if (first.done || first.value.payload.case !== "header") {
        throw new InvalidRequestError([
          { field: "header", description: "the first message must be the header" },
        ]);
      }
      const header = first.value.payload.value;
      const document = await documents.upload(
        callerOf(context),
        {
          filename: header.filename,
          mediaType: header.mediaType,
          sizeBytes: Number(header.sizeBytes),
          sha256: header.sha256.toLowerCase(),
        },
        chunksOf({ [Symbol.asyncIterator]: () => messages }),
      );
      return { document: documentToMessage(document) };
    },

    async createUpload(request, context) {
      const upload = await documents.createUpload(
        callerOf(context),
        {
          filename: request.filename,
          mediaType: request.mediaType,
          sizeBytes: Number(request.sizeBytes),
          sha256: request.sha256.toLowerCase(),
        },
        request.requestId,
      );
      return {
        documentId: upload.documentId,
        uploadUrl: upload.url,
        headers: upload.headers,
        expireTime: timestampOf(upload.expireTime),
      };
    },

    async getDocument({ id }, context) {
      return { document: documentToMessage(await documents.get(callerOf(context), id)) };
    },
  });

/** Each item of a batch is checked by itself, so that a bad one fails alone. */
function itemFromMessage(
  validator: RequestValidator,
  request: CreateJobRequest,
  now: number,
): JobRequest | Error {
  try {
    validator.check(CreateJobRequestSchema, request);
    return jobRequestFromMessage(request, now);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** An empty filter is meant to find all; a forgotten one is not. */
function wanted(filter: WireFilter | undefined): WireFilter {
  if (!filter) throw new InvalidRequestError([{ field: "filter", description: "must be set; {} finds all" }]);
  return filter;
}

function filterFields(request: ListJobsRequest | CountJobsRequest | WireFilter) {
  return {
    statuses: request.statuses,
    pipelineId: request.pipelineId,
    labels: request.labels,
    query: request.query,
    ...(request.createdAfter ? { createdAfter: request.createdAfter } : {}),
    ...(request.createdBefore ? { createdBefore: request.createdBefore } : {}),
  };
}

async function* chunksOf(messages: AsyncIterable<UploadDocumentRequest>): AsyncIterable<Uint8Array> {
  for await (const { payload } of messages) {
    if (payload.case !== "chunk") {
      throw new InvalidRequestError([
        { field: "chunk", description: "every message after the header must be a chunk" },
      ]);
    }
    yield payload.value;
  }
}
