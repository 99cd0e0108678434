import { basename } from "node:path";
import { toJson } from "@bufbuild/protobuf";
import { type DocumentInput, JobEventSchema, JobStatus, type Sluice } from "@sluice/sdk";
import type { Io } from "./context.ts";
import { isAddress } from "./files.ts";
import { writeJson } from "./output.ts";
import type { Progress } from "./progress.ts";
import { type Entry, finish, type SubmitOptions, waits } from "./submit-entry.ts";
import { clean } from "./text.ts";
import { applyEvent } from "./track.ts";

export interface SendDeps {
  readonly sluice: Sluice;
  readonly io: Io;
  readonly options: SubmitOptions;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

function sourceOf(path: string, io: Io): DocumentInput {
  if (path === "-") return { data: io.stdin as AsyncIterable<Uint8Array>, filename: "stdin" };
  return isAddress(path) ? { uri: path } : { path, filename: basename(path) };
}

/** Sends one document and creates its job. */
export async function send(entry: Entry, { sluice, io, options, progress, signal }: SendDeps): Promise<void> {
  if (signal.aborted) return;
  const { track, path } = entry;
  track.state = "uploading";
  track.startedAt = Date.now();
  progress.update(track);
  const job = await sluice.jobs.submit(sourceOf(path, io), {
    pipeline: options.pipeline,
    priority: options.priority,
    labels: options.label,
    password: options.password,
    concurrencyKey: options.concurrencyKey,
    concurrencyLimit: options.concurrencyLimit,
    signal,
    onUploadProgress({ sentBytes, totalBytes }) {
      track.percent = totalBytes ? (sentBytes / totalBytes) * 100 : 0;
      progress.update(track);
    },
  });
  entry.job = job;
  track.jobId = job.id;
  track.state = "queued";
  track.percent = 0;
  progress.update(track);
  // Who waits for the end only gets the ends.
  if (waits(options) && !(options.json && options.follow)) return;
  if (options.json) await writeJson(io.stdout, { type: "submitted", file: track.name, jobId: job.id });
  else io.stdout.write(`${job.id}  ${clean(track.name)}\n`);
}

/** Follows the job of a document to its end. */
export async function follow(
  entry: Entry,
  { sluice, io, options, progress, signal }: SendDeps,
): Promise<void> {
  const { track } = entry;
  for await (const event of sluice.jobs.watch(track.jobId, { signal })) {
    applyEvent(track, event);
    progress.update(track);
    if (options.json && options.follow) {
      await writeJson(io.stdout, { type: "event", file: track.name, event: toJson(JobEventSchema, event) });
    }
  }
  const job = await sluice.jobs.get(track.jobId, { signal });
  entry.job = job;
  const { error } = job;
  if (job.status === JobStatus.COMPLETED) finish(entry, "completed", "");
  else if (job.status === JobStatus.CANCELLED) finish(entry, "cancelled", `job ${job.id} was cancelled`);
  else finish(entry, "failed", `${error?.reason || "FAILED"}: ${error?.message || `job ${job.id} failed`}`);
  progress.update(track);
}
