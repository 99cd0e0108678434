import { type Sluice, SluiceError } from "@sluice/sdk";
import { type Command, Option } from "commander";
import { type Target, withSluice } from "./connect.ts";
import { type CliContext, CliError, INTERRUPTED, type Io, sentenceOf } from "./context.ts";
import { fileFailure, isAddress, problemOf } from "./files.ts";
import { onInterrupt } from "./interrupt.ts";
import { integer, jsonOption, label, outputOption } from "./options.ts";
import { createGate } from "./pool.ts";
import { createLiveProgress, createPlainProgress, type Progress, silent } from "./progress.ts";
import { optionalSecret } from "./secret.ts";
import { type Entry, finish, type SubmitOptions, waits } from "./submit-entry.ts";
import { printResults } from "./submit-results.ts";
import { follow, type SendDeps, send } from "./submit-send.ts";
import { clean, counted } from "./text.ts";
import { newTrack } from "./track.ts";

/** Files that are looked at at once. */
const MAX_CHECKED = 32;
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
    .argument(
      "<file...>",
      "files to submit, or https:// addresses for the server to fetch; - reads one document from stdin",
    )
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
    .addOption(
      new Option(
        "--password-file <file>",
        "file whose first line is the password of encrypted documents; - reads it from stdin, or asks for it",
      ).conflicts("password"),
    )
    .option(
      "--password <password>",
      "the password itself; others on this machine can see it while the command runs",
    )
    .option("--concurrency-key <key>", "of your jobs with this key, one runs at a time")
    .option("--concurrency-limit <n>", "so many instead of one", integer(1, 1_000))
    .option("--concurrency <n>", "files that are sent at once", integer(1, 64), 4)
    .addHelpText(
      "after",
      `
Exit code 0 only if every job was created and, with --follow or --wait, ended COMPLETED.
Files that cannot be read are told first; the others are submitted all the same, and the exit code is 1.

With --json, each line of stdout is one value:
  {"type":"submitted","file":…,"jobId":…}           a job was created (not with --wait)
  {"type":"event","file":…,"event":{…}}             an event of a job (with --follow)
  {"type":"result","file":…,"jobId":…,"status":…}   how a document ended, in the order of the command line
                                                    (with --follow or --wait)

Examples:
  $ ${context.programName} submit report.pdf --follow
  $ ${context.programName} submit *.docx --wait --output markdown --out-dir texts
  $ ${context.programName} submit *.pdf --follow --json | jq -r 'select(.type == "event") | .event.sequence'
  $ ${context.programName} submit https://example.com/report.pdf --wait
  $ pandoc notes.org -t html | ${context.programName} submit - --wait`,
    )
    .action((files: string[], options: SubmitOptions) =>
      run(async () => {
        const { passwordFile } = options;
        if ([...files, passwordFile].filter((path) => path === "-").length > 1) {
          throw new CliError("stdin can be read only once.", 2);
        }
        const password = await optionalSecret(context.io, options, "Password of the documents: ");
        const given = { ...options, ...(password !== undefined && { password }) };
        return await withSluice(context, (sluice, target) => submit(sluice, context, files, given, target));
      }),
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
  const entries = await checkFiles(io, files);
  const usable = entries.filter(({ unusable }) => !unusable);
  const follows = waits(options);
  const interrupt = onInterrupt();
  const { signal } = interrupt;
  try {
    if (usable.length > 0) {
      await checkServer(sluice);
      const progress = chooseProgress(context, options, usable);
      await runAll(usable, { sluice, io, options, progress, signal }, target);
      progress.stop();
    }
    if (signal.aborted) return tellInterrupted(context, entries, follows);
    if (follows) await printResults(sluice, io, entries, options, signal);
    if (signal.aborted) return INTERRUPTED;
  } finally {
    interrupt.release();
  }
  for (const { track } of usable) {
    if (track.state === "failed" || track.state === "cancelled") {
      io.stderr.write(`${clean(track.name)}: ${clean(track.note)}\n`);
    }
  }
  return entries.every(({ track }) => track.state === (follows ? "completed" : "queued")) ? 0 : 1;
}

/** Tells which files cannot be submitted before anything is sent; the others go on. */
async function checkFiles(io: Io, files: readonly string[]): Promise<Entry[]> {
  const gate = createGate(MAX_CHECKED);
  const problems = await Promise.all(
    files.map((path) =>
      gate(async () => (path === "-" || isAddress(path) ? undefined : await problemOf(path))),
    ),
  );
  return files.map((path, i) => {
    const entry: Entry = {
      path,
      track: newTrack(path === "-" ? "stdin" : isAddress(path) ? path.replace(/[?#].*/s, "") : path),
      unusable: Boolean(problems[i]),
    };
    if (problems[i]) {
      finish(entry, "failed", problems[i]);
      io.stderr.write(`${clean(path)}: ${problems[i]}\n`);
    }
    return entry;
  });
}

async function runAll(entries: readonly Entry[], deps: SendDeps, target: Target): Promise<void> {
  const { options, progress, signal } = deps;
  const sending = createGate(options.concurrency);
  const following = createGate(MAX_FOLLOWED);
  const one = async (entry: Entry) => {
    if (signal.aborted) return;
    try {
      await sending(() => send(entry, deps));
      if (waits(options) && entry.job) await follow(entry, deps);
    } catch (error) {
      if (signal.aborted) return;
      finish(entry, "failed", error instanceof SluiceError ? sentenceOf(error, target) : fileFailure(error));
      progress.update(entry.track);
    }
  };
  await Promise.all(entries.map((entry) => following(() => one(entry))));
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
