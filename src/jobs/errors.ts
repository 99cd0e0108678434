import { SluiceError } from "../lib/errors.ts";
import type { JobStatus } from "./model.ts";

export class JobNotFoundError extends SluiceError {
  override name = "JobNotFoundError";
  readonly kind = "not_found";
  readonly reason = "JOB_NOT_FOUND";
  constructor(jobId: string) {
    super(
      `No job has the id ${jobId}, or it is not yours.`,
      { job_id: jobId },
      { resource: { type: "job", name: jobId } },
    );
  }
}

export class JobAlreadyFinalError extends SluiceError {
  override name = "JobAlreadyFinalError";
  readonly kind = "failed_precondition";
  readonly reason = "JOB_ALREADY_FINAL";
  constructor(jobId: string, status: JobStatus) {
    super(`Job ${jobId} is already ${status}; only a waiting or running job can be cancelled.`, {
      job_id: jobId,
      status,
    });
  }
}

export class JobNotFinalError extends SluiceError {
  override name = "JobNotFinalError";
  readonly kind = "failed_precondition";
  readonly reason = "JOB_NOT_FINAL";
  constructor(jobId: string, status: JobStatus) {
    super(`Job ${jobId} is ${status}; only a job that has ended can be deleted. Cancel it first.`, {
      job_id: jobId,
      status,
    });
  }
}

export class JobNotRetryableError extends SluiceError {
  override name = "JobNotRetryableError";
  readonly kind = "failed_precondition";
  readonly reason = "JOB_NOT_RETRYABLE";
  constructor(jobId: string, status: JobStatus) {
    super(`Job ${jobId} is ${status}; only a failed or cancelled job can be retried.`, {
      job_id: jobId,
      status,
    });
  }
}

export class RequestIdReusedError extends SluiceError {
  override name = "RequestIdReusedError";
  readonly kind = "already_exists";
  readonly reason = "REQUEST_ID_REUSED";
  constructor(requestId: string, made: "job" | "document", id: string) {
    super(
      `The request_id ${requestId} was used for ${made} ${id} with other contents. Use a new request_id for a new one.`,
      { request_id: requestId, [`${made}_id`]: id },
    );
  }
}

export class ResultNotReadyError extends SluiceError {
  override name = "ResultNotReadyError";
  readonly kind = "not_found";
  readonly reason = "RESULT_NOT_READY";
  constructor(jobId: string, status: JobStatus) {
    const advice =
      status === "FAILED" || status === "CANCELLED"
        ? "It will have no result; RetryJob runs it again."
        : "Follow it with WatchJob until it is COMPLETED.";
    super(
      `Job ${jobId} is ${status} and has no result. ${advice}`,
      { job_id: jobId, status },
      { resource: { type: "job_result", name: jobId } },
    );
  }
}

export class ResultExpiredError extends SluiceError {
  override name = "ResultExpiredError";
  readonly kind = "not_found";
  readonly reason = "RESULT_EXPIRED";
  constructor(jobId: string) {
    super(`The result of job ${jobId} has expired and was removed.`, { job_id: jobId });
  }
}

export class DocumentNotFoundError extends SluiceError {
  override name = "DocumentNotFoundError";
  readonly kind = "not_found";
  readonly reason = "DOCUMENT_NOT_FOUND";
  constructor(documentId: string) {
    super(
      `No document has the id ${documentId}, or it is not yours.`,
      { document_id: documentId },
      { resource: { type: "document", name: documentId } },
    );
  }
}

export class DocumentNotUploadedError extends SluiceError {
  override name = "DocumentNotUploadedError";
  readonly kind = "failed_precondition";
  readonly reason = "DOCUMENT_NOT_UPLOADED";
  constructor(documentId: string) {
    super(`Document ${documentId} has no content yet: PUT it to its upload_url first.`, {
      document_id: documentId,
    });
  }
}

export class UploadNotAwaitedError extends SluiceError {
  override name = "UploadNotAwaitedError";
  readonly kind = "failed_precondition";
  readonly reason = "UPLOAD_NOT_AWAITED";
  constructor() {
    super("This address has taken its document, or the document is gone. Use CreateUpload for another one.");
  }
}

/** More uploads wait to be taken than this process holds. */
export class DocumentsBusyError extends SluiceError {
  override name = "DocumentsBusyError";
  readonly kind = "unavailable";
  readonly reason = "STORAGE_UNAVAILABLE";
  constructor() {
    super("Too many uploads are being taken at this moment. Try again.", {}, { retryAfterMs: 1_000 });
  }
}

export class DocumentEmptyError extends SluiceError {
  override name = "DocumentEmptyError";
  readonly kind = "invalid_argument";
  readonly reason = "DOCUMENT_EMPTY";
  constructor() {
    super("The document has 0 bytes. Send one with content.");
  }
}

export class DocumentTooLargeError extends SluiceError {
  override name = "DocumentTooLargeError";
  readonly kind = "resource_exhausted";
  readonly reason = "DOCUMENT_TOO_LARGE";
  constructor(maxBytes: number) {
    super(`The document is larger than ${maxBytes} bytes, the most this server takes.`, {
      max_bytes: String(maxBytes),
    });
  }
}

/** The owner has as much as one user may. */
export class QuotaExceededError extends SluiceError {
  override name = "QuotaExceededError";
  readonly kind = "resource_exhausted";
  readonly reason = "QUOTA_EXCEEDED";
  constructor(subject: "queued jobs" | "stored bytes", limit: number) {
    const way = {
      "queued jobs": "wait until some of them run, or cancel some",
      "stored bytes": "delete jobs that are no longer needed, with their documents and results",
    }[subject];
    super(
      `A user may have ${limit} ${subject}, and this would be more; ${way}.`,
      { quota: subject, limit: String(limit) },
      { quota: { subject, description: `at most ${limit} for a user` } },
    );
  }
}

export class DocumentHashMismatchError extends SluiceError {
  override name = "DocumentHashMismatchError";
  readonly kind = "invalid_argument";
  readonly reason = "DOCUMENT_HASH_MISMATCH";
  constructor(expected: string, actual: string) {
    super(
      `The bytes that arrived have the SHA-256 ${actual}, not ${expected} as announced. Send the document again.`,
      {
        expected,
        actual,
      },
    );
  }
}

/** The address names a bucket that is not open for documents, or no object in it. */
export class SourceNotAllowedError extends SluiceError {
  override name = "SourceNotAllowedError";
  readonly kind = "invalid_argument";
  readonly reason = "EGRESS_DENIED";
  constructor(uri: string) {
    super(
      `${uri} names no object that documents may be fetched from. Write s3://bucket/key, percent-encoded; whoever runs the service opens buckets with SLUICE_S3_SOURCES.`,
      { uri },
    );
  }
}

/** The source answered, and will not give the document. */
export class SourceRefusedError extends SluiceError {
  override name = "SourceRefusedError";
  readonly kind = "failed_precondition";
  readonly reason = "SOURCE_UNREACHABLE";
  constructor(uri: string, status: number) {
    super(
      `${uri} answered with the HTTP status ${status} instead of a document. Check the address, and whether it has expired.`,
      { uri, status: String(status) },
    );
  }
}

/** The source may give the document later. */
export class SourceUnavailableError extends SluiceError {
  override name = "SourceUnavailableError";
  readonly kind = "unavailable";
  readonly reason = "SOURCE_UNREACHABLE";
  /** @param status of its answer; 0 when there was none */
  constructor(uri: string, status: number) {
    const what = status === 0 ? "does not answer" : `answered with the HTTP status ${status}`;
    super(`${uri} ${what}. Try again when it gives the document.`, { uri, status: String(status) });
  }
}

/** The attempt no longer holds its job: another has it, or it ended. The worker stops and writes nothing. */
export class LeaseLostError extends SluiceError {
  override name = "LeaseLostError";
  readonly kind = "aborted";
  readonly reason = "LEASE_LOST";
  constructor(jobId: string) {
    super(`The lease of job ${jobId} is no longer held by this attempt.`, { job_id: jobId });
  }
}

export class OffsetOutOfRangeError extends SluiceError {
  override name = "OffsetOutOfRangeError";
  readonly kind = "out_of_range";
  readonly reason = "OFFSET_OUT_OF_RANGE";
  constructor(offset: number, size: number) {
    super(`The offset ${offset} lies beyond the end: there are ${size} bytes.`, {
      offset: String(offset),
      size_bytes: String(size),
    });
  }
}

/** Another process works under the id. */
export class WorkerIdTakenError extends Error {
  override name = "WorkerIdTakenError";
  constructor(id: string, holder: { host: string; pid: number; seconds: number }) {
    const ago = Math.max(0, Math.round(holder.seconds));
    super(
      `The worker id ${id} is taken by process ${holder.pid} on ${holder.host}, which was alive ${ago} s ago: give this worker another id in SLUICE_WORKER_ID, or end that process and wait 30 s.`,
    );
  }
}
