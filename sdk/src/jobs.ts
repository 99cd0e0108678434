import type { JsonObject } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { CallOptions, Methods } from "./calls.ts";
import { type Download, type DownloadOptions, download, type Format } from "./download.ts";
import { JobFailedError } from "./errors.ts";
import { type DocumentInput, resolveSource, type Source, textAsBytes } from "./sources.ts";
import type { Timing } from "./timing.ts";
import { failureOf } from "./translate.ts";
import {
  type CreateJobRequest,
  type Job,
  type JobEvent,
  JobPriority,
  type JobResult,
  JobStatus,
  type JobsService,
  type ListJobsRequest,
} from "./types.ts";
import { present, type UploadProgress, type Uploads } from "./uploads.ts";
import { type WatchOptions, watchAllJobs, watchJob } from "./watch.ts";

/** How a document shall be processed. */
export interface SubmitOptions extends CallOptions {
  /** Name or id of the pipeline; default `default`. */
  readonly pipeline?: string | undefined;
  readonly pipelineVersion?: number | undefined;
  readonly priority?: "high" | "normal" | "low" | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Not before this instant. */
  readonly runTime?: Date | undefined;
  /** How long one attempt may run; default 1 hour. */
  readonly jobTimeoutMs?: number | undefined;
  readonly maxAttempts?: number | undefined;
  readonly parameters?: JsonObject | undefined;
  /** The password of an encrypted document. */
  readonly password?: string | undefined;
  /** Of your jobs with the same key, at most `concurrencyLimit` run at a time. */
  readonly concurrencyKey?: string | undefined;
  /** How many jobs with the key may run, this one included; default 1. */
  readonly concurrencyLimit?: number | undefined;
  /** The same id within 24 hours gives the same job; made here if it is not given. */
  readonly requestId?: string | undefined;
  readonly onUploadProgress?: ((progress: UploadProgress) => void) | undefined;
}

/** How to wait for a job. */
export interface WaitOptions extends WatchOptions {
  readonly onEvent?: ((event: JobEvent) => void) | undefined;
}

export type RunOptions = SubmitOptions & Omit<WaitOptions, "afterSequence">;

/** A job that was completed, with its result. */
export interface JobOutcome {
  readonly job: Job;
  readonly result: JobResult;
  /** The text, wherever it lies. */
  text(): Promise<string>;
  /** The result in another format. */
  download(options?: DownloadOptions): Download;
}

export interface JobsDeps {
  readonly methods: Methods<typeof JobsService>;
  readonly uploads: Uploads;
  readonly openPath: Parameters<typeof resolveSource>[1];
  readonly timing: Timing;
}

/** Documents up to this size travel in the request; larger ones are uploaded first. */
const INLINE_BYTES = 1024 * 1024;
const PRIORITIES = { high: JobPriority.HIGH, normal: JobPriority.NORMAL, low: JobPriority.LOW } as const;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export type Jobs = Methods<typeof JobsService> & ReturnType<typeof conveniences>;

/** Every RPC of `JobsService`, and what callers would else write around them. */
export function createJobs(deps: JobsDeps): Jobs {
  return { ...deps.methods, ...conveniences(deps) };
}

function conveniences(deps: JobsDeps) {
  const { methods, uploads } = deps;

  const watch = (id: string, options: WatchOptions = {}): AsyncIterable<JobEvent> =>
    watchJob(deps, id, options);

  /** Creates a job; uploads the document first if it has more than 1 MiB or an unknown size. */
  async function submit(input: DocumentInput, options: SubmitOptions = {}): Promise<Job> {
    const source = await toRequest(await resolveSource(input, deps.openPath), uploads, options);
    const { signal, headers, timeoutMs } = options;
    const request = { ...jobOptions(options), ...source };
    const { job } = await methods.createJob(request, { signal, headers, timeoutMs });
    return present(job, "CreateJob");
  }

  /** Waits for the end of a job and returns it as it ended, whichever way. */
  async function wait(id: string, { onEvent, ...options }: WaitOptions = {}): Promise<Job> {
    for await (const event of watch(id, options)) onEvent?.(event);
    return await get(id, { signal: options.signal });
  }

  async function get(id: string, options: CallOptions = {}): Promise<Job> {
    const { job } = await methods.getJob({ id }, options);
    return present(job, "GetJob");
  }

  /** The result of a completed job. Fails with `RESULT_NOT_READY` before. */
  async function result(id: string, options: CallOptions = {}): Promise<JobResult> {
    const answer = await methods.getJobResult({ id }, options);
    return present(answer.result, "GetJobResult");
  }

  /** The result's bytes in a format, at any size; see `Download`. */
  const downloadResult = (id: string, options: DownloadOptions = {}): Download => download(deps, id, options);

  /** Follows all jobs that a filter finds, from now on; see `watchAllJobs`. */
  const watchAll = (
    filter: Parameters<typeof watchAllJobs>[1] = {},
    options: Parameters<typeof watchAllJobs>[2] = {},
  ): AsyncIterable<JobEvent> => watchAllJobs(deps, filter, options);

  return {
    watch,
    watchAll,
    submit,
    wait,
    get,
    result,
    download: downloadResult,
    /**
     * Submits a document, waits for the end and returns the result.
     * @throws JobFailedError if the job ended FAILED or CANCELLED
     */
    async run(input: DocumentInput, options: RunOptions = {}): Promise<JobOutcome> {
      const { signal, stallMs, giveUpMs, onReconnect, onEvent } = options;
      const { id } = await submit(input, options);
      const job = await wait(id, { signal, stallMs, giveUpMs, onReconnect, onEvent });
      if (job.status === JobStatus.CANCELLED) {
        const metadata = { job_id: id };
        throw new JobFailedError(job, {
          reason: "JOB_CANCELLED",
          message: `Job ${id} was cancelled.`,
          metadata,
        });
      }
      if (job.status !== JobStatus.COMPLETED) throw new JobFailedError(job, failureOf(job));
      return outcome(job, await result(id, { signal }), signal);
    },
    /** All jobs that a filter finds, newest first, page by page as the loop asks for them. */
    async *list(
      filter: Partial<Omit<ListJobsRequest, "$typeName" | "$unknown">> = {},
      options: CallOptions = {},
    ) {
      for (let pageToken = filter.pageToken ?? ""; ; ) {
        const page = await methods.listJobs({ ...filter, pageToken }, options);
        yield* page.jobs;
        if (!page.nextPageToken) return;
        pageToken = page.nextPageToken;
      }
    },
  };

  function outcome(job: Job, value: JobResult, signal: AbortSignal | undefined): JobOutcome {
    return {
      job,
      result: value,
      text: async () =>
        value.outputUri ? await downloadResult(job.id, { signal }).text() : value.extractedText,
      download: (options = {}) => downloadResult(job.id, { signal, ...options }),
    };
  }
}

function jobOptions(options: SubmitOptions) {
  const { pipeline = "", runTime, jobTimeoutMs, parameters, priority } = options;
  return {
    ...(UUID.test(pipeline) ? { pipelineId: pipeline } : { pipelineName: pipeline }),
    pipelineVersion: options.pipelineVersion ?? 0,
    priority: priority ? PRIORITIES[priority] : JobPriority.UNSPECIFIED,
    labels: { ...options.labels },
    maxAttempts: options.maxAttempts ?? 0,
    password: options.password ?? "",
    concurrencyKey: options.concurrencyKey ?? "",
    concurrencyLimit: options.concurrencyLimit ?? 0,
    requestId: options.requestId ?? "",
    ...(runTime && { runTime: timestampFromDate(runTime) }),
    ...(jobTimeoutMs && { timeout: durationFromMs(jobTimeoutMs) }),
    ...(parameters && { parameters }),
  };
}

type SourceFields = Pick<CreateJobRequest, "filename"> & { source: CreateJobSource };
type CreateJobSource =
  | { case: "text"; value: string }
  | { case: "inline"; value: { data: Uint8Array; filename: string; mediaType: string } }
  | { case: "documentId"; value: string }
  | { case: "uri"; value: string };

async function toRequest(source: Source, uploads: Uploads, options: SubmitOptions): Promise<SourceFields> {
  const { signal, headers, onUploadProgress: onProgress } = options;
  switch (source.kind) {
    case "document":
      return { filename: "", source: { case: "documentId", value: source.documentId } };
    case "uri":
      return { filename: source.filename, source: { case: "uri", value: source.uri } };
    case "text":
      // A UTF-16 unit takes at most three bytes, so a short text need not be encoded to be measured.
      if (source.text.length * 3 <= INLINE_BYTES) {
        return { filename: source.filename, source: { case: "text", value: source.text } };
      }
      return await toRequest(
        { kind: "bytes", bytes: textAsBytes(source.text, source.filename) },
        uploads,
        options,
      );
    case "bytes": {
      const { bytes } = source;
      if (bytes.sizeBytes !== undefined && bytes.sizeBytes > 0 && bytes.sizeBytes <= INLINE_BYTES) {
        const data = await readSmall(bytes.open(), bytes.sizeBytes);
        const { filename, mediaType } = bytes;
        return { filename: "", source: { case: "inline", value: { data, filename, mediaType } } };
      }
      const { id } = await uploads.uploadBytes(bytes, { signal, headers, onProgress });
      return { filename: "", source: { case: "documentId", value: id } };
    }
  }
}

async function readSmall(pieces: AsyncIterable<Uint8Array>, sizeBytes: number): Promise<Uint8Array> {
  const data = new Uint8Array(sizeBytes);
  let at = 0;
  for await (const piece of pieces) {
    if (at + piece.byteLength > sizeBytes) throw new RangeError("The document grew while it was read.");
    data.set(piece, at);
    at += piece.byteLength;
  }
  return data.subarray(0, at);
}

export type { Format };
