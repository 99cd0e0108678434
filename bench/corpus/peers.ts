import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Reading } from "./reading.ts";

/** Another reader of documents, and how it is run: each document in a process of its own. */
export interface Peer {
  readonly name: string;
  readonly formats: ReadonlySet<string>;
  /** Null when it is not installed here. */
  readonly version: string | null;
  read(path: string, format: string): Promise<Reading>;
}

const BENCH = fileURLToPath(new URL("..", import.meta.url));
const CHILD = fileURLToPath(new URL("peer-child.mjs", import.meta.url));
const TIMEOUT_MS = 60_000;
const LOOK_MS = 5;
const MAX_OUTPUT = 64 * 1024 * 1024;

const LIBRARIES: Readonly<Record<string, { package: string; formats: string }>> = {
  officeparser: { package: "officeparser", formats: "pdf docx xlsx pptx odt ods odp rtf csv md html epub" },
  mammoth: { package: "mammoth", formats: "docx" },
  unpdf: { package: "unpdf", formats: "pdf" },
  turndown: { package: "turndown", formats: "html" },
  sheetjs: { package: "@e965/xlsx", formats: "xlsx xls ods" },
  "word-extractor": { package: "word-extractor", formats: "doc" },
  mailparser: { package: "mailparser", formats: "eml" },
  msgreader: { package: "@kenjiuno/msgreader", formats: "msg" },
};

const PANDOC_READERS: Readonly<Record<string, string>> = {
  docx: "docx",
  odt: "odt",
  epub: "epub",
  html: "html",
  rtf: "rtf",
  jats: "jats",
  ipynb: "ipynb",
  csv: "csv",
  md: "gfm",
};
const CATDOC: Readonly<Record<string, string>> = { doc: "catdoc", xls: "xls2csv", ppt: "catppt" };

/** The programs, each with its command line for a document. */
const PROGRAMS: readonly {
  name: string;
  version: readonly [string, string];
  formats: readonly string[];
  command(path: string, format: string): readonly string[];
}[] = [
  {
    name: "pdftotext",
    version: ["pdftotext", "-v"],
    formats: ["pdf"],
    command: (path) => ["pdftotext", path, "-"],
  },
  {
    name: "pandoc",
    version: ["pandoc", "--version"],
    formats: Object.keys(PANDOC_READERS),
    command: (path, format) => [
      "pandoc",
      "-f",
      PANDOC_READERS[format] ?? "",
      "-t",
      "gfm",
      "--wrap=none",
      path,
    ],
  },
  {
    name: "catdoc",
    version: ["catdoc", "-V"],
    formats: Object.keys(CATDOC),
    command: (path, format) => [CATDOC[format] ?? "", "-d", "utf-8", path],
  },
];

/** Every peer, whether it is installed here or not. */
export async function findPeers(): Promise<Peer[]> {
  const programs = PROGRAMS.map(async ({ name, version, formats, command }) => ({
    name,
    formats: new Set(formats),
    version: await versionOf(version),
    read: (path: string, format: string) => run(command(path, format), false),
  }));
  const libraries = Object.entries(LIBRARIES).map(([name, { package: id, formats }]) => {
    const manifest = `${BENCH}/node_modules/${id}/package.json`;
    return {
      name,
      formats: new Set(formats.split(" ")),
      version: existsSync(manifest)
        ? (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version
        : null,
      read: (path: string) => run([process.execPath, CHILD, name, path], true),
    };
  });
  return [...(await Promise.all(programs)), ...libraries];
}

async function versionOf([program, flag]: readonly [string, string]): Promise<string | null> {
  const { output, errors } = await collect([program, flag]);
  return /\d+(?:\.\d+)+/.exec(output + errors)?.[0] ?? null;
}

/** What a process wrote and took; a library says itself what the reading took, without its start. */
async function run(command: readonly string[], saysItself: boolean): Promise<Reading> {
  const { output, errors, code, durationMs, peakBytes } = await collect(command);
  if (code !== 0)
    return { text: "", durationMs, peakBytes, failure: lastLine(errors) || `ended with ${code}` };
  const said = saysItself
    ? (JSON.parse(lastLine(errors)) as { durationMs: number; peakKib: number })
    : { durationMs, peakKib: peakBytes / 1024 };
  return { text: output, durationMs: said.durationMs, peakBytes: said.peakKib * 1024, failure: null };
}

interface Collected {
  readonly output: string;
  readonly errors: string;
  readonly code: number | string;
  readonly durationMs: number;
  readonly peakBytes: number;
}

function collect([program = "", ...args]: readonly string[]): Promise<Collected> {
  return new Promise((resolve) => {
    const startedAt = performance.now();
    const child = spawn(program, args, {
      cwd: BENCH,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: TIMEOUT_MS,
    });
    const output: Buffer[] = [];
    const errors: Buffer[] = [];
    let size = 0;
    let peakBytes = 0;
    child.stdout.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_OUTPUT) child.kill("SIGKILL");
      else output.push(chunk);
    });
    child.stderr.on("data", (chunk: Buffer) => errors.push(chunk));
    const timer = setInterval(() => {
      peakBytes = Math.max(peakBytes, peakOf(child));
    }, LOOK_MS);
    const end = (code: number | string): void => {
      clearInterval(timer);
      const text = (chunks: Buffer[]): string => Buffer.concat(chunks).toString("utf8");
      const durationMs = performance.now() - startedAt;
      resolve({ output: text(output), errors: text(errors), code, durationMs, peakBytes });
    };
    child.once("error", (error) => end(error.message));
    child.once("close", (code, signal) => end(code ?? signal ?? -1));
  });
}

/** The most resident memory that the process has had; 0 = not known. */
function peakOf({ pid }: ChildProcess): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1)?.slice(0, 200) ?? "";
}
