import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, expectTypeOf, onTestFinished, test } from "vitest";
import type { DocumentBlock, DocumentChunk } from "../../../sdk/src/stages.ts";
import type { Block } from "../../../src/extract/model.ts";
import { describeCustomStages } from "../../../src/stages/custom/describe.ts";
import { type Chunk, StageOptionsError, type WorkingDocument } from "../../../src/stages/stage.ts";
import { startPool } from "./harness.ts";

const PATH = "/usr/local/bin:/usr/bin:/bin";

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "sluice modules "));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function moduleOf(code: string, name = "mine.mjs"): Promise<string> {
  const file = join(await folder(), name);
  await writeFile(file, code);
  return file;
}

const describe = async (...modules: string[]) =>
  await describeCustomStages({ modules, closedPaths: [], tempDir: await folder(), path: PATH });

const good = `{ name: "mine", version: 3, description: "Mine.", run() {} }`;

test("the blocks and chunks that authors see are those of the service", () => {
  expectTypeOf<Block>().toExtend<DocumentBlock>();
  expectTypeOf<DocumentBlock>().toExtend<Block>();
  expectTypeOf<DocumentChunk>().toEqualTypeOf<Chunk>();
});

const faults: [string, string, RegExp][] = [
  ["nothing exported", "export const other = 1;", /must export `stages`/],
  ["an empty list", "export const stages = [];", /must export `stages`/],
  ["no object", "export const stages = [1];", /stages\[0\] is no object/],
  ["a bad name", good.replace('"mine"', '"Mine!"'), /stages\[0\] needs a `name`/],
  ["no version", good.replace("version: 3, ", ""), /\(mine\) needs a `version`/],
  ["no description", good.replace('"Mine."', '""'), /\(mine\) needs a `description`/],
  ["no function", good.replace("run() {}", "run: 1"), /\(mine\) needs a function `run`/],
  [
    "options that are no schema",
    good.replace("run", 'optionsSchema: { type: "nothing" }, run'),
    /optionsSchema of stage mine is no JSON Schema/,
  ],
  [
    "options that are no object",
    good.replace("run", "optionsSchema: [], run"),
    /\(mine\) has an `optionsSchema`/,
  ],
  ["a name that is built in", good.replace('"mine"', '"redact"'), /another stage called redact/],
  ["a name twice", `${good}, ${good}`, /another stage called mine/],
  ["broken code", "export const stages = [;", /cannot be loaded: /],
  ["code that throws", 'throw new Error("no licence");', /cannot be loaded: no licence/],
  ["code that ends the process", "process.exit(7);", /ended while starting \(exit code 7\)/],
];

test("a module that cannot be used is told with its file and what is wrong in it", async () => {
  const told = await Promise.all(
    faults.map(async ([name, code, words]) => {
      const file = await moduleOf(code.startsWith("{") ? `export const stages = [${code}];` : code);
      const failure = await describe(file).then(
        () => "no failure",
        (error: Error) => error.message,
      );
      return { name, words, file, failure };
    }),
  );
  for (const { name, words, file, failure } of told) {
    expect(failure, name).toMatch(words);
    expect(failure, name).toContain(file);
  }
  await expect(describe("/nowhere/at-all.mjs")).rejects.toThrow("/nowhere/at-all.mjs");
});

test("a module has its stages as a list or one by default, in JavaScript or TypeScript, and options with their defaults", async () => {
  const one = await moduleOf(`export default ${good};`);
  const typed = await moduleOf(
    `const most: number = 3;
     export const stages = [{ name: "typed", version: 1, description: "T.", run() {}, optionsSchema: {
       type: "object", required: ["ink"], additionalProperties: false,
       properties: { ink: { enum: ["red", "blue"] }, pages: { type: "array", items: { type: "integer", maximum: most } }, deep: { type: "object", default: {}, properties: { on: { type: "boolean", default: true } } } },
     } }];`,
    "typed.ts",
  );
  const [mine, other] = await describe(one, typed);
  expect(mine).toMatchObject({ type: "mine", version: 3, description: "Mine." });
  expect(mine?.parseOptions(undefined)).toEqual({});
  expect(() => mine?.parseOptions({ any: 1 })).toThrow(StageOptionsError);
  const given = { ink: "red" };
  expect(other?.parseOptions(given)).toEqual({ ink: "red", deep: { on: true } });
  expect(given).toEqual({ ink: "red" });
  const failure = await Promise.resolve()
    .then(() => other?.parseOptions({ inc: "red", pages: [1, 9, "x"] }))
    .catch((error: StageOptionsError) => error.faults);
  expect(failure).toEqual([
    { field: "ink", description: "Is required." },
    { field: "inc", description: "This stage has no such option." },
    { field: "pages.1", description: "Must be <= 3." },
    { field: "pages.2", description: "Must be integer." },
  ]);
});

test("what a stage returns becomes the document's, and what it must not return fails it with a sentence", async () => {
  const file = await moduleOf(`
    const stage = (name, run) => ({ name, version: 1, description: "x", optionsSchema: {}, run });
    export const stages = [
      stage("sees", ({ options, document, text, metadata }, { signal, progress, log }) => {
        progress(0.5, "half"); log("info", "a line");
        return { text: "One.\\n\\n- two", metadata: { options, text, type: document.mediaType, facts: Object.keys(metadata).length > 5, aborted: signal.aborted } };
      }),
      stage("nothing", () => undefined),
      stage("odd", () => ({ text: 1 })),
      stage("extra", () => ({ facts: {} })),
      stage("cyclic", () => { const a = {}; a.a = a; return { metadata: a }; }),
      stage("passing", () => { throw Object.assign(new Error("come back"), { retryable: true }); }),
      stage("busy", () => { throw Object.assign(new Error("full"), { name: "PoolError", reason: "BUSY", retryable: true }); }),
      stage("fault", () => { throw Object.assign(new Error("too many"), { name: "DocumentFault", reason: "LIMIT_EXCEEDED", limit: "maxPigeons", retryable: true }); }),
      stage("final", () => { throw new Error("never"); }),
      stage("string", () => { throw "a string"; }),
      stage("hangs", () => new Promise(() => {})),
    ];`);
  await using h = await startPool({ customModules: [file], idleProgressTimeoutMs: 700 });
  const logs: string[] = [];
  const job = h.job("sees", { a: 1 }, { stage: "named", onLog: (_, line) => logs.push(line) });
  await h.pool.run(job);
  const document = JSON.parse(await readFile(job.outputPath, "utf8")) as WorkingDocument;
  expect(document.blocks).toMatchObject([{ type: "paragraph", text: "One." }, { type: "list" }]);
  expect(document.facts.stages).toEqual({
    named: { options: { a: 1 }, text: "", type: "", facts: true, aborted: false },
  });
  expect(logs).toEqual(["a line"]);
  await h.pool.run(h.job("nothing"));
  const failures = { odd: "text", extra: "facts", final: "never", string: "a string", cyclic: "" };
  for (const [name, words] of Object.entries(failures)) {
    const failure = await h.pool.run(h.job(name)).catch((error: unknown) => error);
    expect(failure, name).toMatchObject({ reason: "STAGE_FAILED", retryable: false });
    expect((failure as Error).message, name).toContain(words);
  }
  await expect(h.pool.run(h.job("passing"))).rejects.toMatchObject({
    reason: "STAGE_FAILED",
    retryable: true,
    message: "Stage passing failed: come back",
  });
  await expect(h.pool.run(h.job("busy"))).rejects.toMatchObject({
    reason: "STAGE_FAILED",
    retryable: true,
    message: "Stage busy failed: full",
  });
  await expect(h.pool.run(h.job("fault"))).rejects.toMatchObject({
    name: "DocumentFault",
    reason: "LIMIT_EXCEEDED",
    message: "too many",
  });
  await expect(h.pool.run(h.job("hangs"))).rejects.toMatchObject({
    reason: "PARSER_TIMEOUT",
    retryable: false,
  });
  // The process was replaced.
  await h.pool.run(h.job("nothing"));
});

test("a stage reads what lies beside its module, but no keys and documents of the service that lie there too", async () => {
  const place = await folder();
  const write = async (name: string) => {
    const path = join(place, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, "export const word = 'open';");
    return path;
  };
  const open = [await write("words.mjs"), await write("lists/words.txt")];
  const shut = [
    await write(".sluice/master-key"),
    await write("lists.of.jobs/document"),
    await write("state/objects/document"),
    await write("state/notes"),
    await write("mine.mjs.key"),
    await write(".env"),
    await write("star*"),
  ];
  await symlink(join(place, ".sluice"), join(place, "link"));
  shut.push(join(place, "link", "master-key"));
  const file = join(place, "mine.mjs");
  await writeFile(
    file,
    `import { readFileSync } from "node:fs";
     import { word } from "./words.mjs";
     const read = (path) => { try { return readFileSync(path, "utf8").length > 0; } catch (error) { return error.code; } };
     export default { name: "reads", version: 1, description: "x", optionsSchema: {},
       run: ({ options }) => ({ metadata: { fact: { word, read: options.map(read) } } }) };`,
  );
  const closedPaths = [".sluice", "lists.of.jobs", "state/objects", "mine.mjs.key"].map((name) =>
    join(place, name),
  );
  await using h = await startPool({ customModules: [file], closedPaths });
  expect(await h.fact("reads", [...open, ...shut])).toEqual({
    word: "open",
    read: [...open.map(() => true), ...shut.map(() => "ERR_ACCESS_DENIED")],
  });
});

test("a module among keys and documents is refused with what to do", async () => {
  const file = await moduleOf(`export default ${good};`);
  const tempDir = await folder();
  const described = describeCustomStages({
    modules: [file],
    closedPaths: [dirname(dirname(file))],
    tempDir,
    path: PATH,
  });
  await expect(described).rejects.toThrow("Move it to a folder of its own.");
});
