import { DOUBTS } from "./doubts.ts";
import { type Measured, summarize } from "./measure.ts";

/** Something that must hold, and what was measured. */
export interface Target {
  readonly name: string;
  readonly wanted: string;
  readonly measured: string;
  readonly holds: boolean;
}

/** One reader on the documents of one format. */
export interface FormatMean {
  readonly reader: string;
  readonly format: string;
  readonly documents: number;
  readonly f1: number;
  readonly recall: number;
  /** Of Sluice on the same documents. */
  readonly sluiceF1: number;
}

const SAME_PROSE = /^eng_spa_mult\./;
/** Differences of means below this are the same. */
const EQUAL = 0.0005;

export const isDoubtful = ({ document }: Measured): boolean => DOUBTS[document.file] !== undefined;
export const isSameProse = ({ document }: Measured): boolean => SAME_PROSE.test(document.file);

/** The targets, over the documents whose expected text is not in doubt. */
export function judge(sluice: readonly Measured[], peers: readonly FormatMean[]): Target[] {
  const sure = sluice.filter((one) => !isDoubtful(one));
  const { f1, recall, worst } = summarize(sure);
  const prose = summarize(sure.filter(isSameProse));
  const leastProse = Math.min(...sure.filter(isSameProse).map(({ score }) => score?.recall ?? 0));
  const missing = sure.flatMap(({ missing }) => missing);
  const wrongEnds = sure.filter(({ ended }) => !ended).map(({ document }) => document.file);
  const behind = peers.filter((peer) => peer.f1 > peer.sluiceF1 + EQUAL);
  const target = (name: string, wanted: string, measured: string, holds: boolean): Target => ({
    name,
    wanted,
    measured,
    holds,
  });
  return [
    target("mean F1", "≥ 0.95", f1.toFixed(3), f1 >= 0.95),
    target(
      "lowest F1",
      "≥ 0.80",
      `${three(worst?.score?.f1)} (${worst?.document.file})`,
      (worst?.score?.f1 ?? 0) >= 0.8,
    ),
    target("mean recall", "≥ 0.97", recall.toFixed(3), recall >= 0.97),
    target(
      "recall on the same prose in every format",
      "≥ 0.99 each",
      `${three(leastProse)} to 1 over ${prose.documents}`,
      prose.documents > 0 && leastProse >= 0.99,
    ),
    target(
      "runs of words that are missing",
      "0",
      missing.length === 0 ? "0" : missing.join("; "),
      missing.length === 0,
    ),
    target(
      "documents that did not end as they must",
      "0",
      wrongEnds.length === 0 ? "0" : wrongEnds.join(", "),
      wrongEnds.length === 0,
    ),
    target(
      "peers that are ahead on a format of theirs",
      "0",
      behind.length === 0 ? "0" : behind.map(({ reader, format }) => `${reader} on ${format}`).join(", "),
      behind.length === 0,
    ),
  ];
}

/** The mean of a reader on each of its formats, beside that of Sluice on the same documents. */
export function formatMeans(
  reader: string,
  all: readonly Measured[],
  sluice: ReadonlyMap<string, Measured>,
): FormatMean[] {
  const formats = Map.groupBy(
    all.filter(({ score }) => score !== null),
    ({ document }) => document.format,
  );
  return [...formats].map(([format, group]) => {
    const { f1, recall, documents } = summarize(group);
    const same = group.flatMap(({ document }) => sluice.get(document.path) ?? []);
    return { reader, format, documents, f1, recall, sluiceF1: summarize(same).f1 };
  });
}

export const three = (value: number | undefined): string => (value ?? 0).toFixed(3);
