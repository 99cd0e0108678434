import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { zipOf } from "../unit/extract/zip-fixtures.ts";
import type { Program, Site } from "./processes.ts";

const MIB = 1024 * 1024;
const BLOCK_BYTES = 4 * MIB;
/** So many letters that deflate brings the text to some two fifths. */
const LETTERS = 1024;
const LOOK_MS = 20;

/** What a large document did to a process, in bytes. */
export interface Growth {
  readonly before: number;
  /** The most resident memory while the document went through. */
  readonly peak: number;
  readonly growth: number;
}

export interface LargeRun {
  readonly documentBytes: number;
  readonly resultBytes: number;
  readonly seconds: number;
  readonly server: Growth;
  readonly worker: Growth;
}

/**
 * An archive whose members hold Chinese letters at random, `textMib` MiB of text in all: large itself, and larger as a
 * result.
 */
export function largeArchive(textMib: number): Buffer {
  const members = Math.ceil(textMib / 80);
  const repeat = Math.max(1, Math.round((textMib * MIB) / members / BLOCK_BYTES));
  const data = randomText(BLOCK_BYTES);
  return zipOf(Array.from({ length: members }, (_, i) => ({ name: `part-${i}.txt`, data, repeat })));
}

function randomText(bytes: number): Buffer {
  let state = 1;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 8;
  };
  const lines: string[] = [];
  for (let size = 0; size < bytes; ) {
    const line = Array.from({ length: 200 }, () => String.fromCharCode(0x4e00 + (next() % LETTERS))).join("");
    lines.push(line, "\n\n");
    size += line.length * 3 + 2;
  }
  return Buffer.from(lines.join(""));
}

/**
 * Sends the document by stream, lets the worker read it with the pipeline of that name, and takes the text of the result
 * in two downloads, the second from the middle on. The memory of both processes is watched meanwhile.
 */
export async function runLarge(
  site: Site,
  {
    server,
    worker,
    document,
    pipeline,
  }: { server: Program; worker: Program; document: Buffer; pipeline: string },
): Promise<LargeRun> {
  const path = `${site.folder}/large.zip`;
  writeFileSync(path, document);
  const client = site.client();
  // What the first document brings into memory stays there: it is not the large one's.
  await client.jobs.run({ text: "A small document." }, { pipeline });
  const watches = [server, worker].map(({ pid }) => watchMemory(pid));
  const startedAt = performance.now();
  const { job } = await client.jobs.run({ path }, { pipeline });
  const whole = createHash("sha256");
  let size = 0;
  for await (const chunk of client.jobs.download(job.id)) {
    whole.update(chunk);
    size += chunk.byteLength;
  }
  const offset = Math.floor(size / 2);
  let rest = 0;
  for await (const chunk of client.jobs.download(job.id, { offset })) rest += chunk.byteLength;
  const { result } = await client.jobs.getJobResult({ id: job.id });
  if (rest !== size - offset)
    throw new Error(`the second half has ${rest} bytes instead of ${size - offset}`);
  if (result?.sha256 !== whole.digest("hex")) throw new Error("the result is not what its hash says");
  const seconds = (performance.now() - startedAt) / 1000;
  const [ofServer, ofWorker] = await Promise.all(watches.map((watch) => watch.end()));
  if (!ofServer || !ofWorker) throw new Error("no memory was watched");
  return { documentBytes: document.length, resultBytes: size, seconds, server: ofServer, worker: ofWorker };
}

/** Looks at the resident memory of a process until `end`. */
function watchMemory(pid: number): { end(): Promise<Growth> } {
  const before = residentBytes(pid);
  let peak = before;
  const over = new AbortController();
  const watching = (async () => {
    while (!over.signal.aborted) {
      peak = Math.max(peak, residentBytes(pid));
      await sleep(LOOK_MS);
    }
  })();
  return {
    async end() {
      over.abort();
      await watching;
      return { before, peak, growth: peak - before };
    },
  };
}

function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}
