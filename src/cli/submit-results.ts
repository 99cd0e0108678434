import { mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { toJson } from "@bufbuild/protobuf";
import { JobResultSchema, JobSchema, JobStatus, jobStatusName, type Sluice } from "@sluice/sdk";
import type { Io } from "./context.ts";
import { save } from "./files.ts";
import { EXTENSIONS } from "./options.ts";
import { copy, write, writeJson } from "./output.ts";
import type { Entry, SubmitOptions } from "./submit-entry.ts";
import { clean } from "./text.ts";

/** Prints the results in the order of the command line, or writes each to its own file. */
export async function printResults(
  sluice: Sluice,
  io: Io,
  entries: readonly Entry[],
  options: SubmitOptions,
  signal: AbortSignal,
): Promise<void> {
  if (options.outDir) await mkdir(options.outDir, { recursive: true });
  const names = new Set<string>();
  const many = entries.length > 1;
  let printed = 0;
  for (const { track, job } of entries) {
    if (signal.aborted) return;
    if (!job || job.status !== JobStatus.COMPLETED) {
      if (options.json) await writeJson(io.stdout, failed(track.name, job, track.note));
      continue;
    }
    const open = () => sluice.jobs.download(job.id, { format: options.output, signal });
    let path: string | undefined;
    if (options.outDir) {
      path = join(options.outDir, freeName(track.name, EXTENSIONS[options.output], names));
      await save(open(), path);
    }
    if (options.json) {
      const result = toJson(JobResultSchema, await sluice.jobs.result(job.id, { signal }));
      const head = { type: "result", file: track.name, jobId: job.id, status: "COMPLETED" };
      const content = path || options.output === "text" ? {} : { content: await open().text() };
      await writeJson(io.stdout, { ...head, ...(path && { path }), result, ...content });
    } else if (path) {
      io.stderr.write(`${clean(track.name)}: ${path}\n`);
    } else {
      if (many) await write(io.stdout, `${printed++ > 0 ? "\n" : ""}==> ${clean(track.name)} <==\n`);
      await copy(open(), io.stdout);
    }
  }
}

function failed(file: string, job: Entry["job"], note: string) {
  if (!job) return { type: "result", file, status: "NOT_SUBMITTED", error: { message: note } };
  const { error } = toJson(JobSchema, job) as { error?: unknown };
  return {
    type: "result",
    file,
    jobId: job.id,
    status: jobStatusName(job.status),
    error: error ?? { message: note },
  };
}

/** The file's own name with another ending; a number is added when two files have the same name. */
function freeName(file: string, extension: string, taken: Set<string>): string {
  const stem = basename(file);
  for (let n = 1; ; n++) {
    const name = `${stem}${n > 1 ? `-${n}` : ""}.${extension}`;
    if (taken.has(name)) continue;
    taken.add(name);
    return name;
  }
}
