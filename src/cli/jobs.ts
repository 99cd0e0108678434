import { toJson } from "@bufbuild/protobuf";
import {
  type Job,
  JobEventSchema,
  JobSchema,
  JobStatus,
  jobStatusName,
  type Sluice,
  StageStatusSchema,
} from "@sluice/sdk";
import { type Command, Option } from "commander";
import { withSluice } from "./connect.ts";
import { type CliContext, CliError, INTERRUPTED, type Io } from "./context.ts";
import { onInterrupt } from "./interrupt.ts";
import { describe, documentName, evidenceLines, msOf, timeOf } from "./job-text.ts";
import { integer, jobId, jobIds, jsonOption, label } from "./options.ts";
import { writeJson } from "./output.ts";
import { bytes, clean, duration, table } from "./text.ts";

type Run = (action: () => Promise<number>) => Promise<void>;
const STATUSES = ["created", "processing", "cancelling", "cancelled", "completed", "failed"] as const;

export function registerJobs(program: Command, context: CliContext, run: Run): void {
  const { io, programName } = context;
  const jobs = program.command("jobs").description("list, show, watch, cancel and retry jobs");
  const act = (action: (sluice: Sluice) => Promise<number>) => run(() => withSluice(context, action));

  jobs
    .command("list")
    .description("list jobs, newest first")
    .addOption(new Option("--status <status...>", "only jobs in these states").choices(STATUSES))
    .option("--label <key=value>", "only jobs with this label; may be repeated", label)
    .option("--query <text>", "only jobs where id, file, pipeline, labels or error contain this")
    .option("--limit <n>", "at most so many", integer(1, 10_000), 50)
    .addOption(jsonOption())
    .addHelpText(
      "after",
      `\nExamples:\n  $ ${programName} jobs list --status failed\n  $ ${programName} jobs list --limit 500 --json`,
    )
    .action((options: ListOptions) => act((sluice) => list(sluice, io, options)));
  jobs
    .command("get")
    .description("show one job")
    .argument("<id>", "the job", jobId(programName))
    .addOption(jsonOption())
    .action((id: string, options: { json?: boolean }) => act((sluice) => get(sluice, io, id, options)));
  jobs
    .command("watch")
    .description(
      "print the events of a job until it ends, exit code 0 only if it ends COMPLETED; without an id those of all jobs, from now on",
    )
    .argument("[id]", "the job", jobId(programName))
    .option("--after <sequence>", "begin after this event of the job", integer(0, 2 ** 31 - 1))
    .option("--label <key=value>", "only jobs with this label; may be repeated", label)
    .addOption(jsonOption())
    .action((id: string | undefined, options: WatchOptions) =>
      act((sluice) => (id ? watch(sluice, context, id, options) : watchAll(sluice, context, options))),
    );
  jobs
    .command("cancel")
    .description("cancel jobs that wait or run")
    .argument("<id...>", "the jobs", jobIds(programName))
    .option("--reason <text>", "why, for people", "")
    .action((ids: string[], { reason }: { reason: string }) =>
      act((sluice) => each(io, ids, async (id) => (await sluice.jobs.cancelJob({ id, reason })).job)),
    );
  jobs
    .command("retry")
    .description("run failed or cancelled jobs again, from their first unfinished stage")
    .argument("<id...>", "the jobs", jobIds(programName))
    .action((ids: string[]) =>
      act((sluice) => each(io, ids, async (id) => (await sluice.jobs.retryJob({ id })).job)),
    );
  jobs
    .command("delete")
    .description("delete jobs that have ended, with their results and documents")
    .argument("<id...>", "the jobs", jobIds(programName))
    .action((ids: string[]) =>
      act((sluice) =>
        each(io, ids, async (id) => {
          await sluice.jobs.deleteJob({ id });
          return "DELETED";
        }),
      ),
    );
}

interface ListOptions {
  readonly status?: readonly (typeof STATUSES)[number][];
  readonly label?: Record<string, string>;
  readonly query?: string;
  readonly limit: number;
  readonly json?: boolean;
}

async function list(sluice: Sluice, io: Io, options: ListOptions): Promise<number> {
  const statuses = (options.status ?? []).map(
    (name) => JobStatus[name.toUpperCase() as Uppercase<typeof name>],
  );
  const filter = { statuses, labels: options.label ?? {}, query: options.query ?? "" };
  const found: Job[] = [];
  for await (const job of sluice.jobs.list({ ...filter, pageSize: Math.min(500, options.limit) })) {
    if (options.json) await writeJson(io.stdout, toJson(JobSchema, job));
    found.push(job);
    if (found.length >= options.limit) break;
  }
  if (options.json) return 0;
  if (found.length === 0) {
    io.stderr.write("No jobs.\n");
    return 0;
  }
  const rows = found.map((job) => [
    job.id,
    jobStatusName(job.status),
    job.progress ? `${Math.round(job.progress.percent)}%` : "",
    job.pipelineName,
    timeOf(job.createTime),
    documentName(job.document),
  ]);
  const columns = io.stdout.isTTY ? io.stdout.columns : undefined;
  io.stdout.write(table(["ID", "STATUS", "DONE", "PIPELINE", "CREATED", "DOCUMENT"], rows, columns));
  return 0;
}

async function get(sluice: Sluice, io: Io, id: string, options: { json?: boolean }): Promise<number> {
  const job = await sluice.jobs.get(id);
  if (options.json) {
    await writeJson(io.stdout, toJson(JobSchema, job));
    return 0;
  }
  const { document, error, waiting, progress } = job;
  const took = job.startTime && job.endTime && job.endTime.seconds >= job.startTime.seconds;
  const lines: [string, string | undefined][] = [
    ["Job", job.id],
    ["Status", jobStatusName(job.status)],
    [
      "Document",
      document &&
        [documentName(document), bytes(Number(document.sizeBytes)), document.mediaType]
          .filter(Boolean)
          .join(", "),
    ],
    ["Pipeline", `${job.pipelineName} version ${job.pipelineVersion}`],
    ["Progress", progress && `${Math.round(progress.percent)}% ${progress.stage} ${progress.message}`],
    ["Waiting", waiting?.message],
    ["Attempt", `${job.attempt} of ${job.maxAttempts}`],
    ["Error", error && `${error.reason}: ${error.message}${error.stage ? ` (in ${error.stage})` : ""}`],
    ...evidenceLines(error?.evidence),
    [
      "Labels",
      Object.entries(job.labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(" "),
    ],
    ["Created", timeOf(job.createTime)],
    ["Started", timeOf(job.startTime)],
    ["Ended", timeOf(job.endTime)],
    ["Took", took ? duration(msOf(job.endTime) - msOf(job.startTime)) : ""],
    ["Memory", job.peakMemoryBytes > 0n ? `${bytes(Number(job.peakMemoryBytes))} at most` : ""],
  ];
  for (const [name, value] of lines) if (value) io.stdout.write(`${name.padEnd(10)}${clean(value)}\n`);
  if (job.stages.length > 0) {
    const rows = job.stages.map((stage) => [
      stage.name,
      StageStatusSchema.value[stage.status]?.localName ?? "",
      stage.endTime && stage.startTime ? duration(msOf(stage.endTime) - msOf(stage.startTime)) : "",
    ]);
    io.stdout.write(`\n${table(["STAGE", "STATUS", "TIME"], rows)}`);
  }
  return 0;
}

interface WatchOptions {
  readonly after?: number;
  readonly label?: Record<string, string>;
  readonly json?: boolean;
}

async function watch(
  sluice: Sluice,
  { io, programName }: CliContext,
  id: string,
  options: WatchOptions,
): Promise<number> {
  if (options.label) throw new CliError("--label goes without an id: it chooses among all jobs.");
  const { signal, release } = onInterrupt();
  try {
    for await (const event of sluice.jobs.watch(id, { afterSequence: options.after, signal })) {
      if (options.json) await writeJson(io.stdout, toJson(JobEventSchema, event));
      else
        io.stdout.write(`${timeOf(event.time)}  ${String(event.sequence).padStart(4)}  ${describe(event)}\n`);
    }
    const job = await sluice.jobs.get(id, { signal });
    return job.status === JobStatus.COMPLETED ? 0 : 1;
  } catch (error) {
    if (!signal.aborted) throw error;
    io.stderr.write(`Stopped watching; the job goes on. See it with:\n  ${programName} jobs get ${id}\n`);
    return INTERRUPTED;
  } finally {
    release();
  }
}

async function watchAll(sluice: Sluice, { io }: CliContext, options: WatchOptions): Promise<number> {
  if (options.after !== undefined) throw new CliError("--after needs the id of a job.");
  const { signal, release } = onInterrupt();
  try {
    for await (const event of sluice.jobs.watchAll({ labels: options.label ?? {} }, { signal })) {
      if (options.json) await writeJson(io.stdout, toJson(JobEventSchema, event));
      else io.stdout.write(`${timeOf(event.time)}  ${event.jobId}  ${describe(event)}\n`);
    }
    return 0;
  } catch (error) {
    if (!signal.aborted) throw error;
    return INTERRUPTED;
  } finally {
    release();
  }
}

async function each(
  io: Io,
  ids: readonly string[],
  act: (id: string) => Promise<Job | "DELETED" | undefined>,
): Promise<number> {
  let failures = 0;
  for (const id of ids) {
    try {
      const job = await act(id);
      io.stdout.write(`${clean(id)}  ${job === "DELETED" ? job : job ? jobStatusName(job.status) : ""}\n`);
    } catch (error) {
      if (ids.length === 1) throw error;
      failures++;
      io.stderr.write(`${clean(id)}: ${clean(error instanceof Error ? error.message : String(error))}\n`);
    }
  }
  return failures === 0 ? 0 : 1;
}
