import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { toJson } from "@bufbuild/protobuf";
import { JobEventSchema, JobStatus, type Sluice, SluiceError } from "@sluice/sdk";
import { type Command, Option } from "commander";
import { type Target, withSluice } from "./connect.ts";
import { type CliContext, CliError, INTERRUPTED, type Io, sentenceOf } from "./context.ts";
import { onInterrupt } from "./interrupt.ts";
import { integer, jsonOption, label, outputOption } from "./options.ts";
import { writeJson } from "./output.ts";
import { createGate } from "./pool.ts";
import { createLiveProgress, createPlainProgress, type Progress, silent } from "./progress.ts";
import type { Entry, SubmitOptions } from "./submit-entry.ts";
import { printResults } from "./submit-results.ts";
import { clean, counted } from "./text.ts";
import { applyEvent, newTrack, type Track } from "./track.ts";

/** Jobs that are followed at once: far below the streams that one connection may have. */
const MAX_FOLLOWED = 100;

export function registerSubmit(
  program: Command,
  context: CliContext,
  run: (a: () => Promise<number>) => Promise<void>,
): void {
  program
    .command("submit")
    .description("submit documents as jobs")
    .argument("<file...>", "files to submit; - reads one document from stdin")
    .option("--pipeline <name>", "name or id of the pipeline (default: default)")
    .option("--follow", "show the progress of each job, then print the results")
    .option("--wait", "wait for the end without showing progress, then print the results")
    .addOption(outputOption())
    .option("--out-dir <folder>", "write each result to a file in this folder; waits for it")
    .addOption(jsonOption())
    .addOption(
      new Option("--priority <priority>", "how urgent the jobs are").choices(["high", "normal", "low"]),
    )
    .option("--label <key=value>", "label of the jobs; may be repeated", label)
    .option("--password <password>", "password of encrypted documents")
    .option("--concurrency <n>", "files that are sent at once", integer(1, 64), 4)
    .addHelpText(
      "after",
      `
Exit code 0 only if every job was created and, with --follow or --wait, ended COMPLETED.

Examples:
  $ ${context.programName} submit report.pdf --follow
  $ ${context.programName} submit *.docx --wait --output markdown --out-dir texts
  $ ${context.programName} submit *.pdf --follow --json | jq -r 'select(.type == "event") | .event.sequence'
  $ pandoc notes.org -t html | ${context.programName} submit - --wait`,
    )
    .action((files: string[], options: SubmitOptions) =>
      run(() => withSluice(context, (sluice, target) => submit(sluice, context, files, options, target))),
    );
}

async function submit(
  sluice: Sluice,
  context: CliContext,
  files: readonly string[],
  options: SubmitOptions,
  target: Target,
): Promise<number> {
  const { io } = context;
  const entries = files.map((path): Entry => ({ path, track: newTrack(path === "-" ? "stdin" : path) }));
  if (files.filter((path) => path === "-").length > 1) throw new CliError("stdin can be read only once.", 2);
  await checkServer(sluice);
  const follows = Boolean(options.follow || options.wait || options.outDir);
  const progress = chooseProgress(context, options, entries);
  const interrupt = onInterrupt();
  const sending = createGate(options.concurrency);
  const following = createGate(MAX_FOLLOWED);
  const report = (entry: Entry, error: unknown) => {
    const reason = error instanceof SluiceError ? sentenceOf(error, target) : messageOf(error);
    finish(entry, progress, "failed", reason);
  };
  try {
    const one = (entry: Entry) =>
      following(async () => {
        const { signal } = interrupt;
        if (signal.aborted) return;
        try {
          await sending(() => send(sluice, io, entry, options, progress, signal));
          if (follows && entry.job) await follow(sluice, io, entry, options, progress, signal);
        } catch (error) {
          if (!signal.aborted) report(entry, error);
        }
      });
    await Promise.all(entries.map(one));
    progress.stop();
    if (interrupt.signal.aborted) return tellInterrupted(context, entries, follows);
    if (follows) await printResults(sluice, io, entries, options, interrupt.signal);
    if (interrupt.signal.aborted) return INTERRUPTED;
  } finally {
    interrupt.release();
  }
  for (const { track } of entries) {
    if (track.state === "failed" || track.state === "cancelled") {
      io.stderr.write(`${clean(track.name)}: ${clean(track.note)}\n`);
    }
  }
  return entries.every(({ track }) => track.state === (follows ? "completed" : "queued")) ? 0 : 1;
}

/** One plain error when no server is there, instead of one for each file. */
async function checkServer(sluice: Sluice): Promise<void> {
  await sluice.auth.getCaller({}).catch((error: unknown) => {
    if (error instanceof SluiceError && /unavailable|unauthenticated/.test(error.code)) throw error;
  });
}

function chooseProgress(
  { io, settings }: CliContext,
  options: SubmitOptions,
  entries: readonly Entry[],
): Progress {
  if (!options.follow || options.json) return silent;
  if (!io.stderr.isTTY || settings().plain) return createPlainProgress(io.stderr);
  return createLiveProgress(
    io.stderr,
    entries.map(({ track }) => track),
  );
}

async function send(
  sluice: Sluice,
  io: Io,
  entry: Entry,
  options: SubmitOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return;
  const { track, path } = entry;
  track.state = "uploading";
  track.startedAt = Date.now();
  progress.update(track);
  const source =
    path === "-" ? { data: io.stdin as AsyncIterable<Uint8Array>, filename: "stdin" } : await checked(path);
  const job = await sluice.jobs.submit(source, {
    pipeline: options.pipeline,
    priority: options.priority,
    labels: options.label,
    password: options.password,
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
  if (options.json) await writeJson(io.stdout, { type: "submitted", file: track.name, jobId: job.id });
  else if (!options.follow && !options.wait) io.stdout.write(`${job.id}  ${clean(track.name)}\n`);
}

async function checked(path: string): Promise<{ path: string; filename: string }> {
  const info = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new CliError(
      error.code === "ENOENT" ? "there is no such file" : `it cannot be read (${error.code})`,
    );
  });
  if (info.isDirectory()) throw new CliError("it is a folder; name the files in it");
  return { path, filename: basename(path) };
}

async function follow(
  sluice: Sluice,
  io: Io,
  entry: Entry,
  options: SubmitOptions,
  progress: Progress,
  signal: AbortSignal,
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
  if (job.status === JobStatus.COMPLETED) return finish(entry, progress, "completed", "");
  if (job.status === JobStatus.CANCELLED)
    return finish(entry, progress, "cancelled", `job ${job.id} was cancelled`);
  finish(
    entry,
    progress,
    "failed",
    `${job.error?.reason || "FAILED"}: ${job.error?.message || `job ${job.id} failed`}`,
  );
}

function finish({ track }: Entry, progress: Progress, state: Track["state"], note: string): void {
  track.state = state;
  track.note = note;
  track.endedAt = Date.now();
  if (state === "completed") track.percent = 100;
  progress.update(track);
}

function tellInterrupted(
  { io, programName }: CliContext,
  entries: readonly Entry[],
  follows: boolean,
): number {
  const made = entries.filter(({ job }) => job);
  const missing = entries.length - made.length;
  const one = made.length === 1;
  const [these, see] = one
    ? ["job that was created goes on. See it", `jobs watch ${made[0]?.track.jobId}`]
    : ["jobs that were created go on. See them", "jobs list"];
  if (made.length > 0) {
    const begin = follows ? "Stopped watching; the" : "The";
    io.stderr.write(`${begin} ${these} with:\n  ${programName} ${see}\n`);
  }
  if (missing > 0) {
    const were = missing === 1 ? "was" : "were";
    io.stderr.write(`${missing} of ${counted(entries.length, "file")} ${were} not submitted.\n`);
  }
  return INTERRUPTED;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
