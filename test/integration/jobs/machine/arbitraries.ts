/** What every command is drawn from. */
import fc from "fast-check";
import type { CrashPoint } from "../../../support/crash-points.ts";
import type { Model } from "./model.ts";
import type { Command, Real } from "./real.ts";

/** Which of those that are there; the same number stands for the same one as long as their list is the same. */
export const pick = fc.nat(11);

export function pickOf<T>(list: readonly T[], at: number): T {
  const found = list[at % list.length];
  if (found === undefined) throw new Error("nothing to pick from: the command was not ready");
  return found;
}

const manner = fc.constantFrom("error" as const, "death" as const);
/** Most acts have one commit; claims may have more, and what a concurrency key held back is let go on in another. */
const skip = fc.constantFrom(0, 0, 0, 0, 1, 1, 2);

function crash(where: "before" | "after"): fc.Arbitrary<CrashPoint> {
  return fc.record({ skip, where: fc.constant(where), statements: fc.constant(0), manner });
}

const inside: fc.Arbitrary<CrashPoint> = fc.record({
  skip,
  where: fc.constant("inside"),
  statements: fc.nat(7),
  // A connection that is killed must be made anew, which takes longer than all the rest.
  manner: fc.oneof({ weight: 4, arbitrary: manner }, { weight: 1, arbitrary: fc.constant("kill") }),
});

/** A crash point of an act, or none. */
export function crashOf(): fc.Arbitrary<CrashPoint | null> {
  return fc.oneof(
    { withCrossShrink: true },
    { weight: 12, arbitrary: fc.constant(null) },
    { weight: 3, arbitrary: crash("before") },
    { weight: 4, arbitrary: inside },
    { weight: 4, arbitrary: crash("after") },
  );
}

export function crashText(crash: CrashPoint | null): string {
  if (!crash) return "";
  const commit = crash.skip > 0 ? `commit ${crash.skip + 1}` : "the commit";
  const place = crash.where === "inside" ? `inside ${commit} after ${crash.statements} statements` : "";
  return ` with ${crash.manner} ${place || `${crash.where} ${commit}`}`;
}

/** A command that is left out where it is not `ready`. */
export function command(
  text: string,
  ready: (m: Model) => boolean,
  run: (m: Model, r: Real) => Promise<void>,
): Command {
  return {
    check: (m) => ready(m),
    run,
    toString: () => text,
  };
}
