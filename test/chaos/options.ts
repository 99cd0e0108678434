import { parseArgs } from "node:util";
import type { Pauses } from "./plan.ts";

export interface Options {
  readonly seed: number;
  readonly jobs: number;
  /** Faults begin for so long; each kind comes once at least, however long that takes. */
  readonly seconds: number;
  readonly leaseMs: number;
  readonly redisAwayMs: number;
  readonly pauses: Pauses;
  /** Everything is over by then, or the run has failed. */
  readonly limitMs: number;
  /** Run a copy of the checkout whose statements do not ask for the lease token. */
  readonly withoutFencing: boolean;
}

const FULL = {
  seconds: 270,
  jobs: 2_000,
  leaseMs: 3_000,
  redisAwayMs: 20_000,
  pauses: { workers: [500, 3_000], machines: [2_000, 8_000], redis: [3_000, 12_000] },
  limitMs: 600_000,
} as const;

/** What `npm test` runs. */
const CUT = {
  seconds: 35,
  jobs: 300,
  leaseMs: 2_000,
  redisAwayMs: 20_000,
  pauses: { workers: [200, 1_000], machines: [500, 2_000], redis: [500, 3_000] },
  limitMs: 170_000,
} as const;

/** `--cut`, `--without-fencing`, and CHAOS_SEED, CHAOS_SECONDS and CHAOS_JOBS. @throws TypeError, RangeError */
export function readOptions(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Options {
  const { values } = parseArgs({
    args: [...args],
    options: { cut: { type: "boolean" }, "without-fencing": { type: "boolean" } },
  });
  const base = values.cut ? CUT : FULL;
  const number = (name: string, low: number, high: number, otherwise: number): number => {
    const value = env[name] ? Number(env[name]) : otherwise;
    if (Number.isInteger(value) && value >= low && value <= high) return value;
    throw new RangeError(`${name} must be a whole number from ${low} to ${high}.`);
  };
  const seconds = number("CHAOS_SECONDS", 1, 86_400, base.seconds);
  return {
    ...base,
    seed: number("CHAOS_SEED", 0, 0xffffffff, Date.now() % 1_000_000),
    jobs: number("CHAOS_JOBS", 1, 1_000_000, base.jobs),
    seconds,
    limitMs: base.limitMs + Math.max(0, seconds - base.seconds) * 1_000,
    withoutFencing: values["without-fencing"] ?? false,
  };
}
