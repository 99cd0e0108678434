import { parseArgs } from "node:util";
import { BREAKS, type Break } from "./broken.ts";

export interface Options {
  /** A server that runs; null: one is started. */
  readonly url: string | null;
  /** Of the names of attacks, a part; empty: all. */
  readonly only: string;
  /** How long the floods go on. */
  readonly floodMs: number;
  /** How long the well-behaved client is measured without them. */
  readonly calmMs: number;
  /** Latency and memory are part of the verdict. */
  readonly judgesTime: boolean;
  /** Run a copy of the checkout with this fault on purpose. */
  readonly without: Break | null;
}

const FULL = { floodMs: 45_000, calmMs: 10_000, judgesTime: true };
/** What `npm test` runs: no verdict about time, since the machine may have other work. */
const CUT = { floodMs: 6_000, calmMs: 2_000, judgesTime: false };

/** @throws TypeError, RangeError */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      cut: { type: "boolean" },
      url: { type: "string" },
      only: { type: "string" },
      without: { type: "string" },
    },
  });
  const { without, url, only = "" } = values;
  if (without !== undefined && !(without in BREAKS)) {
    throw new RangeError(`--without must be one of: ${Object.keys(BREAKS).join(", ")}.`);
  }
  if (without !== undefined && url !== undefined) {
    throw new RangeError(
      "--without takes a guard away from a server that the attack starts, so not with --url.",
    );
  }
  return {
    ...(values.cut ? CUT : FULL),
    url: url ?? null,
    only,
    without: (without as Break | undefined) ?? null,
  };
}
