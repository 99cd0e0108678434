import { writePart } from "../results.ts";
import { DOUBTS } from "./doubts.ts";
import { type Measured, summarize } from "./measure.ts";
import { type FormatMean, isDoubtful, isSameProse, type Target, three } from "./targets.ts";

export interface Outcome {
  readonly sluice: readonly Measured[];
  readonly peers: readonly FormatMean[];
  readonly targets: readonly Target[];
  /** Names and versions of the peers that ran, and names of those that did not. */
  readonly ran: readonly string[];
  readonly absent: readonly string[];
  /** What it ran on. */
  readonly machine: string;
}

/** One line a document, for the terminal. */
export function documentLine({
  document,
  score,
  missing,
  failure,
  durationMs,
  peakBytes,
  ended,
}: Measured): string {
  const figures = score
    ? `${three(score.f1)} ${three(score.precision)} ${three(score.recall)}`
    : `${ended ? "as it must" : "WRONG END"}`.padEnd(17);
  const notes = [failure ?? "", ...missing.map((run) => `missing: ${run}`)].filter((note) => note !== "");
  return [
    document.format.padEnd(6),
    document.file.padEnd(42),
    figures,
    `${durationMs.toFixed(0)} ms`.padStart(8),
    mib(peakBytes).padStart(8),
    ...notes,
  ].join("  ");
}

/** One line for a peer on a format, for the terminal. */
export function meanLine({ reader, format, documents, f1, recall, sluiceF1 }: FormatMean): string {
  const count = `${documents} document${documents === 1 ? "" : "s"}`;
  return `${reader.padEnd(16)}${format.padEnd(6)}${count.padStart(13)}  F1 ${three(f1)}  recall ${three(recall)}  Sluice ${three(sluiceF1)}`;
}

/** Puts the tables into the part of the file that is theirs. */
export async function writeReport(path: string, outcome: Outcome): Promise<void> {
  await writePart(path, "corpus", render(outcome));
}

function render({ sluice, peers, targets, ran, absent, machine }: Outcome): string {
  const sure = sluice.filter((one) => !isDoubtful(one));
  const summaries = [
    ["all documents", summarize(sluice)],
    ["without those whose expected text is wrong", summarize(sure)],
    ["the same prose in every format", summarize(sluice.filter(isSameProse))],
  ] as const;
  return `## Documents: what is read, beside other readers

\`npm run corpus\`, ${machine}. Words of the text against a text that others wrote down (NFKC, lower case, links and tags
removed, bags of words): F1, precision, recall. Sluice reads through its document processes, with the limits of a worker and all
stages of the default pipeline; its Markdown is scored. Times are single runs; Sluice's are those of a warm process and hold all
stages, a library's its reading without its start, a program's its whole run. Memory is the peak of the process.

${table(
  ["what", "documents", "mean F1", "precision", "recall", "lowest F1"],
  summaries.map(([name, { documents, f1, precision, recall, worst }]) => [
    name,
    String(documents),
    three(f1),
    three(precision),
    three(recall),
    worst ? `${three(worst.score?.f1)} ${worst.document.file}` : "",
  ]),
)}

Targets, over the documents whose expected text is right:

${table(
  ["target", "wanted", "measured", ""],
  targets.map(({ name, wanted, measured, holds }) => [
    name,
    wanted,
    measured,
    holds ? "holds" : "**missed**",
  ]),
)}

### Beside each peer, on its formats

${ran.join(", ")}.${absent.length === 0 ? "" : ` Not installed here: ${absent.join(", ")}.`} A document that a peer cannot read counts as 0.

${table(
  ["format", "peer", "documents", "F1", "recall", "Sluice on the same"],
  peers
    .toSorted((a, b) => a.format.localeCompare(b.format) || b.f1 - a.f1)
    .map(({ format, reader, documents, f1, recall, sluiceF1 }) => [
      format,
      reader,
      String(documents),
      three(f1),
      three(recall),
      three(sluiceF1),
    ]),
)}

### Expected texts that are wrong

${sluice
  .filter(isDoubtful)
  .map(({ document, score, failure }) => {
    const figure = score ? three(score.f1) : (failure ?? "COMPLETED");
    return `- \`${document.file}\` (${figure}): ${DOUBTS[document.file]}`;
  })
  .join("\n")}

### Each document

${table(
  ["document", "F1", "precision", "recall", "ms", "MiB", "missing, or how it ended"],
  sluice.map(({ document, score, durationMs, peakBytes, missing, failure }) => [
    document.file,
    score ? three(score.f1) : "",
    score ? three(score.precision) : "",
    score ? three(score.recall) : "",
    durationMs.toFixed(0),
    mib(peakBytes).replace(" MiB", ""),
    score ? [failure ?? "", ...missing].filter((note) => note !== "").join("; ") : (failure ?? "COMPLETED"),
  ]),
)}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

const mib = (bytes: number): string => (bytes === 0 ? "" : `${(bytes / 1024 / 1024).toFixed(0)} MiB`);
