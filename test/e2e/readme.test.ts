import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { StageStatus } from "../../gen/sluice/v1/jobs_pb.ts";
import { MAX_LIFETIME_MS } from "../../src/auth/api-keys.ts";
import { ACCESS_TOKEN_MS } from "../../src/auth/tokens.ts";
import { loadConfig, SETTING_NAMES } from "../../src/config.ts";
import { typesByName } from "../../src/extract/media-types.ts";
import { readableMediaTypes } from "../../src/extract/registry.ts";
import { DEFAULT_MAX_ATTEMPTS } from "../../src/jobs/create.ts";
import { INLINE_RESULT_BYTES } from "../../src/jobs/model.ts";
import { MAX_LOST_CLAIMS } from "../../src/jobs/recovery-queries.ts";
import { edgeLimits } from "../../src/rpc/limits.ts";
import { DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE } from "../../src/rpc/pages.ts";
import { MAX_HTTP_BYTES } from "../../src/stages/http.ts";
import {
  createSite,
  type Finished,
  type Program,
  ROOT,
  type Site,
  startProcess,
} from "../support/processes.ts";

const readme = readFileSync(join(ROOT, "README.md"), "utf8");
const FENCE = /^(?:<!-- (.+?) -->\n)?```(\w+)\n([\s\S]*?)^```$/gm;
const blocks = [...readme.matchAll(FENCE)].map(([, mark = "", language = "", code = ""]) => ({
  mark,
  language,
  code,
}));
const MIB = 1024 * 1024;

let site: Site;
let server: Program;

beforeAll(async () => {
  site = await createSite();
  server = await site.serve();
});

afterAll(async () => {
  await site[Symbol.asyncDispose]();
});

/** The one block under this mark. */
function block(mark: string): string {
  const found = blocks.filter((item) => item.mark === mark);
  if (found.length !== 1) throw new Error(`README.md has ${found.length} blocks marked "${mark}", not 1`);
  return found[0]?.code ?? "";
}

/** Rows of the table whose head begins with this cell, cells trimmed. */
function tableUnder(head: string): string[][] {
  const lines = readme.split("\n");
  const start = lines.findIndex((line) => line.startsWith(`| ${head} |`));
  const rows = lines.slice(
    start + 2,
    lines.findIndex((line, at) => at > start && line === ""),
  );
  if (start < 0 || rows.length === 0) throw new Error(`README.md has no table "${head}"`);
  return rows.map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const spans = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, text = ""]) => text);

/** Runs a script in the checkout as someone would type it, on the server of this test. */
async function shell(script: string): Promise<Finished> {
  const program = startProcess(["sh", "-eu", "-c", script], {
    env: {
      SLUICE_URL: site.url,
      SLUICE_DATA_DIR: site.dataDir,
      XDG_CONFIG_HOME: join(site.folder, "config"),
      npm_config_loglevel: "error",
      npm_config_update_notifier: "false",
    },
  });
  const code = await program.exit();
  return { code, stdout: program.stdout, stderr: program.stderr };
}

/** Printed lines with all that changes from run to run taken out. */
function settled(text: string): string[] {
  return text
    .replaceAll(site.url, "http://127.0.0.1:8080")
    .replaceAll(site.dataDir, "/home/you/sluice/.sluice")
    .replace("SLUICE_DATA_DIR='/home/you/sluice/.sluice' ", "")
    .replace(/\d+(?:\.\d)? s\b/g, "0.0 s")
    .trimEnd()
    .split("\n");
}

test("every example is marked as run here, or says why it is not", () => {
  const code = blocks.filter(({ language }) => language !== "text");
  expect(code.map(({ mark }) => mark.split(":")[0])).toEqual(
    expect.arrayContaining(["example", "not run here"]),
  );
  expect(code.filter(({ mark }) => !/^(example|not run here): /.test(mark))).toEqual([]);
  const names = code.map(({ mark }) => mark).filter((mark) => mark.startsWith("example: "));
  expect(names.map((mark) => mark.slice(9))).toEqual([
    "submit",
    "environment",
    "grpc",
    "curl",
    "sdk",
    "pipeline file",
    "pipeline",
  ]);
});

test("a start prints what the page shows", () => {
  expect(settled(server.stdout)).toEqual(settled(block("printed by: start")));
});

test("the first command shows each stage, then the text", async () => {
  const { code, stdout, stderr } = await shell(block("example: submit"));
  expect(code, stderr).toBe(0);
  const [progress = "", text = ""] = block("printed by: submit").split(/(?<=completed in .*\n)/);
  const shown = settled(progress);
  const told = settled(stderr);
  // A fast stage may pass unseen between two looks; what is told is on the page, in its order, to the end.
  expect(told).toEqual(shown.filter((line) => told.includes(line)));
  expect(told.at(-1)).toBe("README.md: completed in 0.0 s");
  expect(stdout).toMatch(new RegExp(`^${text.replace("…", "").trim()}`));
});

test("the gRPC example creates a job by reflection", async () => {
  const { code, stdout, stderr } = await shell(block("example: environment") + block("example: grpc"));
  expect(code, stderr).toBe(0);
  const { job } = JSON.parse(stdout) as { job: { id: string; status: string } };
  expect(job.status).toBe("JOB_STATUS_CREATED");
  const client = site.client();
  await client.jobs.wait(job.id);
  expect((await client.jobs.result(job.id)).extractedText).toBe("Hello over gRPC.");
});

test("the curl example prints every event of its job, then the result", async () => {
  const { code, stdout, stderr } = await shell(block("example: environment") + block("example: curl"));
  expect(code, stderr).toBe(0);
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const events = lines
    .slice(0, -1)
    .map(({ event }) => event as { sequence: number; statusChanged?: { status: string } });
  expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
  expect(events.at(-1)?.statusChanged?.status).toBe("JOB_STATUS_COMPLETED");
  const { result } = lines.at(-1) as { result: { extractedText: string; qualityScore: number } };
  expect(result.extractedText).toBe("Hello\n\nSent by curl.");
});

test("the TypeScript example passes the type check, and prints progress, score and text", async () => {
  // Inside the checkout, where `@sluice/sdk` is found.
  mkdirSync(join(ROOT, ".cache"), { recursive: true });
  const folder = mkdtempSync(join(ROOT, ".cache", "readme-"));
  try {
    const file = join(folder, "example.ts");
    writeFileSync(file, block("example: sdk"));
    const tsconfig = { extends: join(ROOT, "tsconfig.json"), include: ["example.ts"] };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(tsconfig));
    const tsc = join(ROOT, "node_modules/typescript-7/bin/tsc");
    await promisify(execFile)(process.execPath, [tsc, "-p", folder]).catch((error: { stdout?: string }) => {
      throw new Error(error.stdout ?? String(error));
    });

    const { code, stdout, stderr } = await shell(`${block("example: environment")}npx node '${file}'`);
    expect(code, stderr).toBe(0);
    const begun = [...stdout.matchAll(/^event \d+: (\w+) began$/gm)].map(([, name]) => name);
    expect(begun).toEqual(["fetch", "detect", "extract", "normalize", "enrich", "chunk", "quality"]);
    expect(stdout).toMatch(/^quality (0\.\d+|1)$/m);
    expect(stdout.split(/^quality .*$/m)[1]?.trim()).toMatch(/^Sluice\n/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("the pipeline of the page has no fault, is created by its commands, and runs a job with all its stages", async () => {
  const file = join(site.folder, "contracts.yaml");
  writeFileSync(file, block("example: pipeline file"));
  const { code, stdout, stderr } = await shell(
    block("example: pipeline").replaceAll("contracts.yaml", `'${file}'`),
  );
  expect(code, stderr).toBe(0);
  expect(stdout).toContain("contracts.yaml has no fault.\n");
  expect(stdout).toContain("contracts would be created, at version 1. Nothing was changed.\n");
  expect(stdout).toContain("contracts is created, at version 1.\n");
  expect(stdout).toContain("Sluice is a service that turns documents into text");
  const { jobs } = await site.client().jobs.listJobs({ query: "README.md" });
  const job = jobs.find(({ pipelineName }) => pipelineName === "contracts");
  const { stages } = await site.client().jobs.get(job?.id ?? "");
  const done = StageStatus.COMPLETED;
  expect(stages.map(({ name, status }) => [name, status])).toEqual(
    ["fetch", "detect", "extract", "normalize", "enrich", "chunk", "quality"].map((name) => [name, done]),
  );
});

test("the table of settings names each one with its default and bounds", () => {
  const rows = tableUnder("Variable");
  expect(rows.flatMap(([names = ""]) => spans(names)).sort()).toEqual([...SETTING_NAMES].sort());
  const plain = loadConfig({});
  for (const [names = "", value = "", meaning = ""] of rows) {
    const [name = ""] = spans(names);
    const [given] = spans(value);
    if (given === undefined) expect([name, value]).toEqual([name, "none"]);
    else expect([name, loadConfig({ [name]: given })]).toEqual([name, plain]);
    const bounds = /(\d+) to (\d+)/.exec(meaning)?.slice(1).map(Number) ?? [];
    expect([name, bounds.length], "bounds of a number").toEqual([name, /^\d+$/.test(given ?? "") ? 2 : 0]);
    for (const [index, bound] of bounds.entries()) {
      const beyond = index === 0 ? bound - 1 : bound + 1;
      expect(() => loadConfig({ [name]: String(bound) }), `${name}=${bound}`).not.toThrow();
      expect(() => loadConfig({ [name]: String(beyond) }), `${name}=${beyond}`).toThrow(name);
    }
  }
});

test("the table of formats names each media type that can be read, under the right file names", () => {
  const rows = tableUnder("Format").map(([format = "", names = "", types = ""]) => ({
    format,
    names: spans(names),
    types: spans(types).filter((text) => text.includes("/")),
  }));
  expect(rows.flatMap(({ types }) => types).sort()).toEqual(readableMediaTypes());
  for (const { names, types } of rows) {
    for (const name of names) expect(types, name).toContain(typesByName(`some${name}`)[0]);
  }
});

test("the table of limits says what the code holds to", async () => {
  const { info } = await site.client().system.getServerInfo({});
  const limits = info?.limits;
  const plain = loadConfig({});
  const edge = edgeLimits();
  const worker = "src/app/worker.ts";
  const hours = (ms: number) => `${ms / 3_600_000} h`;
  const minutes = (ms: number) => `${ms / 60_000} min`;
  const days = (ms: number) => `${ms / 86_400_000} days`;
  const mebibytes = (bytes: number | bigint | undefined) => `${Number(bytes) / MIB} MiB`;
  const longest = days(MAX_LIFETIME_MS);
  const expected: Record<string, [value: string, note?: string]> = {
    "Request message": [mebibytes(limits?.maxMessageBytes)],
    Document: [mebibytes(limits?.maxDocumentBytes)],
    "Document, unpacked": [
      mebibytes(plain.limits.maxInflatedBytes),
      `${plain.limits.maxInflationRatio} times`,
    ],
    "Levels of elements within each other": [`${plain.limits.maxDepth}`],
    "Members of an archive, parts of a mail": [`${plain.limits.maxMembers}`],
    "Pages of a document": [`${limits?.maxPages}`],
    "Characters of text of a document": [`${Math.floor(plain.limits.maxOutputCharacters / 1e6)} million`],
    "Text in `GetJobResult`": [mebibytes(limits?.maxInlineResultBytes)],
    "Pixels of a picture": [`${plain.limits.maxImagePixels / 1e6} million`],
    "Memory of a document process": [`${plain.parserMemoryBytes / MIB / 1024} GiB`],
    "Jobs of one `BatchCreateJobs`": [`${limits?.maxBatchSize}`],
    "Entries of a page": [`${limits?.maxPageSize}`, `${DEFAULT_PAGE_SIZE} if`],
    "Attempts of a job": [`${DEFAULT_MAX_ATTEMPTS}`],
    "Time of an attempt": [
      hours(constantOf(worker, "DEFAULT_JOB_TIMEOUT_MS")),
      hours(Number(limits?.maxJobTimeout?.seconds) * 1000),
    ],
    "Time of a stage": [minutes(constantOf(worker, "DEFAULT_STAGE_TIMEOUT_MS"))],
    "Request and answer of an `http` stage": [mebibytes(MAX_HTTP_BYTES)],
    "Document process without progress": [minutes(plain.parserSilenceMs)],
    Lease: [`${plain.leaseMs / 1000} s`],
    "Lost leases before `QUARANTINED`": [`${MAX_LOST_CLAIMS}`],
    "Open streams of one user": [`${edge.maxStreamsPerCaller}`],
    "Calls of one user, of one address": [
      `${plain.rates.perUser?.perSecond}/s, ${plain.rates.perAddress?.perSecond}/s`,
    ],
    "Waiting jobs, stored bytes of one user": [String(plain.quotas.queuedJobs ?? "none")],
    "Connections of one address": [`${edge.maxConnectionsPerAddress}`],
    "Headers of a request": [`${edge.maxHeaderBytes / 1024} KiB, ${edge.headersMs / 1000} s`],
    "Body of a request": [`${edge.bodyMinBytesPerSecond / 1024} KiB/s`, `after ${edge.bodyIdleMs / 1000} s`],
    "Answer that its reader does not take": [minutes(edge.unreadMs)],
    "Resets of an HTTP/2 session": [`${edge.maxResets} in 10 s`],
    "Webhooks of one user": [`${constantOf("src/webhooks/service.ts", "MAX_WEBHOOKS")}`],
    "Attempt to deliver an event": [
      `${constantOf("src/webhooks/post.ts", "TIMEOUT_MS") / 1000} s`,
      `${constantOf("src/webhooks/post.ts", "MAX_ANSWER_BYTES") / 1024} KiB`,
    ],
    "Deliveries of one `ReplayDeliveries`": [`${constantOf("src/webhooks/service.ts", "MAX_REPLAYED")}`],
    "Ended deliveries": [days(constantOf("src/app/webhooks.ts", "RETENTION_MS"))],
    "Upload link": [hours(constantOf("src/jobs/documents/service.ts", "UPLOAD_SECONDS") * 1000)],
    "Download link": [minutes(constantOf("src/jobs/results.ts", "DOWNLOAD_SECONDS") * 1000)],
    "Access token": [minutes(ACCESS_TOKEN_MS)],
    "Token of an external issuer": [
      hours(constantOf("src/auth/external/external-tokens.ts", "MAX_LIFETIME_SECONDS") * 1000),
    ],
    "API key": [`${constantOf("src/auth/api-keys.ts", "DEFAULT_LIFETIME_MS")} days`, longest],
  };
  const rows = tableUnder("Limit");
  expect(rows.map(([name = "", value]) => [name, value])).toEqual(
    Object.entries(expected).map(([name, [value]]) => [name, value]),
  );
  for (const [name = "", , note = ""] of rows) expect(note, name).toContain(expected[name]?.[1] ?? "");
  expect([INLINE_RESULT_BYTES, MAX_PAGE_SIZE, edge.maxMessageBytes]).toEqual(
    [limits?.maxInlineResultBytes, limits?.maxPageSize, limits?.maxMessageBytes].map(Number),
  );
});

/** A number that a file keeps to itself, written there as a product; names in the product count as 1. */
function constantOf(path: string, name: string): number {
  const text = readFileSync(join(ROOT, path), "utf8");
  const product = new RegExp(`\\b${name}(?: =|:) ([\\w *]+)[;,]`).exec(text)?.[1];
  if (!product) throw new Error(`${path} has no ${name}`);
  return product.split("*").reduce((value, factor) => value * (Number(factor.replaceAll("_", "")) || 1), 1);
}

test("every link leads to a file or a heading that is there", () => {
  const headings = (text: string) =>
    [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) =>
      title
        .toLowerCase()
        .replace(/[^\w -]/g, "")
        .replaceAll(" ", "-"),
    );
  const links = [...readme.matchAll(/\]\(([^)]+)\)/g)].map(([, target = ""]) => target);
  expect(links.length).toBeGreaterThan(15);
  for (const link of links) {
    const [path = "", heading] = link.split("#");
    const file = join(ROOT, path || "README.md");
    expect(existsSync(file), link).toBe(true);
    if (heading) expect(headings(readFileSync(file, "utf8")), link).toContain(heading);
  }
});
