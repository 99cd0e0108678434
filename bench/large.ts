/**
 * How much a document of 200 MB and its result of 500 MB add to the memory of a server and a worker, which may be 100 MiB
 * each: `npm run large`. The document processes, which hold it, are not counted; what they may have is a setting. Writes the
 * figures to `bench/RESULTS.md`. Linux only.
 */
import { fileURLToPath } from "node:url";
import { type Growth, largeArchive, runLarge } from "../test/support/large-document.ts";
import { createSite } from "../test/support/processes.ts";
import { writePart } from "./results.ts";

const MIB = 1024 * 1024;
const TEXT_MIB = 500;
const MOST_GROWTH = 100 * MIB;
const PARSER_MEMORY = 6 * 1024 * MIB;
const RESULTS = fileURLToPath(new URL("RESULTS.md", import.meta.url));
const mib = (bytes: number): string => `${(bytes / MIB).toFixed(0)} MiB`;

await using site = await createSite({ env: { SLUICE_PARSER_MEMORY_BYTES: String(PARSER_MEMORY) } });
const server = await site.serve("--no-worker");
const worker = await site.worker();
const stages = ["fetch", "detect", "extract"].map((type) => ({
  name: type,
  type: { case: type, value: {} },
}));
await site.client().pipelines.createPipeline({ name: "large", config: { stages } } as never);
const run = await runLarge(site, { server, worker, document: largeArchive(TEXT_MIB), pipeline: "large" });

const row = (name: string, { before, peak, growth }: Growth): string =>
  `| ${name} | ${mib(before)} | ${mib(peak)} | ${mib(growth)} | ${growth <= MOST_GROWTH ? "holds" : "**missed**"} |`;
const table = `## A large document

\`npm run large\`: an archive of ${mib(run.documentBytes)}, sent by stream, gives a result of ${mib(run.resultBytes)} of text (and as much Markdown
and JSON), downloaded whole and from the middle on; ${run.seconds.toFixed(0)} s in all. Each process may grow by ${mib(MOST_GROWTH)}.

| process | resident before | most | growth | |
| --- | --- | --- | --- | --- |
${row("server", run.server)}
${row("worker", run.worker)}`;
process.stdout.write(`${table}\n`);
await writePart(RESULTS, "large", table);
process.exitCode = Math.max(run.server.growth, run.worker.growth) <= MOST_GROWTH ? 0 : 1;
