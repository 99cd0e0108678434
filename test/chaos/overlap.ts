import type { Held } from "./log.ts";

export interface KeyHeld extends Held {
  readonly id: string;
  /** Of its owner. */
  readonly key: string;
}

/** An event bears the time at which its transaction began, and the one before may have ended a little later than that. */
const TOLERANCE_MS = 250;

/** Pairs of jobs with one key that were held by workers at the same time, in words. */
export function overlapping(all: readonly KeyHeld[]): string[] {
  return [...Map.groupBy(all, ({ key }) => key).values()].flatMap((held) => {
    const found: string[] = [];
    let longest: KeyHeld | undefined;
    for (const next of held.toSorted((a, b) => a.from.getTime() - b.from.getTime())) {
      if (longest && longest.to.getTime() - next.from.getTime() > TOLERANCE_MS)
        found.push(
          `${longest.id} until ${longest.to.toISOString()}, ${next.id} from ${next.from.toISOString()}`,
        );
      if (!longest || next.to > longest.to) longest = next;
    }
    return found;
  });
}
