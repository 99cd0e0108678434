/**
 * Reads real documents whose text is known and tells how much of it is found, beside the other readers that run here:
 * `npm run corpus [-- --corpus <folder>]`. The folder is that of the shared corpus, without it `../shared/corpus` beside the
 * checkout; the documents in `bench/corpus/documents` are read too. Writes `bench/RESULTS.md`. Ends with 1 when a target is
 * missed, with 2 when there is no corpus. The peers: `npm ci --prefix bench`, and pdftotext, pandoc and catdoc on the PATH.
 */
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startDocumentHost } from "../test/support/document-host.ts";
import { type CorpusDocument, OWN_CORPUS, readCorpus } from "./corpus/documents.ts";
import { type Measured, measure } from "./corpus/measure.ts";
import { findPeers, type Peer } from "./corpus/peers.ts";
import { readWithSluice } from "./corpus/reading.ts";
import { documentLine, meanLine, writeReport } from "./corpus/report.ts";
import { type FormatMean, formatMeans, isDoubtful, judge } from "./corpus/targets.ts";

const SHARED = fileURLToPath(new URL("../../shared/corpus", import.meta.url));
const RESULTS = fileURLToPath(new URL("RESULTS.md", import.meta.url));
const { values } = parseArgs({ options: { corpus: { type: "string", default: SHARED } } });
const say = (line: string): void => void process.stdout.write(`${line}\n`);

let documents: CorpusDocument[];
try {
  documents = [...readCorpus(values.corpus), ...readCorpus(OWN_CORPUS)];
} catch (error) {
  process.stderr.write(`${(error as Error).message} Name its folder: npm run corpus -- --corpus <folder>\n`);
  process.exit(2);
}

say("format  document                                    F1    prec. recall");
const sluice = new Map<string, Measured>();
{
  await using host = await startDocumentHost();
  for (const document of documents) {
    const measured = measure(document, await readWithSluice(host, document.path, document.file));
    sluice.set(document.path, measured);
    say(documentLine(measured));
  }
}

const peers = await findPeers();
const here = peers.filter(({ version }) => version !== null);
const means: FormatMean[] = [];
const sureMeans: FormatMean[] = [];
for (const peer of here) {
  const measured = await readWithPeer(peer);
  const own = formatMeans(peer.name, measured, sluice);
  for (const mean of own) say(meanLine(mean));
  means.push(...own);
  sureMeans.push(
    ...formatMeans(
      peer.name,
      measured.filter((one) => !isDoubtful(one)),
      sluice,
    ),
  );
}

const all = [...sluice.values()];
const targets = judge(all, sureMeans);
for (const { name, wanted, measured, holds } of targets) {
  say(`${holds ? "holds " : "MISSED"}  ${name}: ${measured} (wanted ${wanted})`);
}
const absent = peers.filter(({ version }) => version === null).map(({ name }) => name);
if (absent.length > 0) say(`Peers that are not installed here: ${absent.join(", ")}`);
await writeReport(RESULTS, {
  sluice: all,
  peers: means,
  targets,
  ran: here.map(({ name, version }) => `${name} ${version}`),
  absent,
  machine: `Node ${process.versions.node} on ${process.platform} ${process.arch}, ${cpus().length} cores`,
});
process.exitCode = targets.every(({ holds }) => holds) ? 0 : 1;

/** Every document of the peer's formats. */
async function readWithPeer(peer: Peer): Promise<Measured[]> {
  const measured: Measured[] = [];
  for (const document of documents) {
    if (document.expected === null || !peer.formats.has(document.format)) continue;
    measured.push(measure(document, await peer.read(document.path, document.format)));
  }
  return measured;
}
