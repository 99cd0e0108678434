import type { Tried } from "./attack.ts";

/** What became of one attack. */
export interface Outcome {
  readonly name: string;
  readonly tries: readonly Tried[];
  readonly seconds?: number;
  /** Why nothing was tried. */
  readonly notTried?: string;
}

const WIDE = 58;
const CAME_CHARS = 200;

/** Everything that was tried, with what came back; what got through stands out. */
export function tableOf(outcomes: readonly Outcome[]): string {
  return outcomes
    .flatMap(({ name, tries, notTried, seconds }) => [
      `\n${name}${seconds === undefined ? "" : `, ${seconds.toFixed(1)} s`}`,
      ...(notTried ? [`  NOT TRIED    ${notTried}`] : []),
      ...tries.map(({ what, came, held }) => {
        const short = came.replaceAll(/\s+/g, " ").slice(0, CAME_CHARS);
        return `  ${held ? "held       " : "GOT THROUGH"}  ${what.padEnd(WIDE)}  ${short}`;
      }),
    ])
    .join("\n");
}

export function summaryOf(outcomes: readonly Outcome[]): { readonly text: string; readonly through: number } {
  const tries = outcomes.flatMap((outcome) => outcome.tries);
  const through = tries.filter(({ held }) => !held).length;
  const notTried = outcomes.filter((outcome) => outcome.notTried).length;
  return {
    text: `${outcomes.length} attacks, ${tries.length} tries, ${through} got through, ${notTried} attacks not tried`,
    through,
  };
}
