import { longText } from "../support/processes.ts";
import { between, branch, pick, type Random } from "./random.ts";

export type Size = "short" | "middle" | "long";

/** One job that clients create, and what they do to it besides. */
export interface JobSpec {
  readonly n: number;
  /** Begins with `Job <n>.`, so that a result tells whose it is. */
  readonly text: string;
  readonly size: Size;
  readonly priority: "high" | "normal" | "low";
  readonly owner: number;
  readonly concurrencyKey: string;
  /** Milliseconds after its creation; null: never. */
  readonly cancelAfterMs: number | null;
  /** Runs it again if the cancel was in time. */
  readonly retry: boolean;
  /** Sends the create once more, to the other server. */
  readonly repeat: boolean;
  readonly watch: boolean;
}

const KIB = 1024;
/** Characters: tens of milliseconds, some hundred, a few seconds of work. */
const LENGTHS: Readonly<Record<Size, readonly [low: number, high: number]>> = {
  short: [100, 3 * KIB],
  middle: [10 * KIB, 80 * KIB],
  long: [400 * KIB, 900 * KIB],
};
const TEXT = longText(LENGTHS.long[1]);

/** The job with the number `n`: the same for the same seed, whoever creates it and when. */
export function specOf(seed: number, n: number, owners: number, urgent: boolean): JobSpec {
  const random = branch(seed, "job", n);
  const size = urgent ? "long" : sizeOf(random);
  const [low, high] = LENGTHS[size];
  const text = `Job ${n}. ${TEXT.slice(0, Math.floor(between(random, low, high)))}`;
  const priority = urgent ? "high" : pick(random, ["high", "normal", "normal", "low"] as const);
  const owner = Math.floor(random() * owners);
  const concurrencyKey = !urgent && chance(random, 0.05) ? `key-${pick(random, ["a", "b"])}` : "";
  const cancelAfterMs = !urgent && chance(random, 0.04) ? between(random, 0, 1_500) : null;
  const retry = chance(random, 0.5);
  const repeat = chance(random, 0.05);
  const watch = chance(random, 0.05);
  return { n, text, size, priority, owner, concurrencyKey, cancelAfterMs, retry, repeat, watch };
}

function sizeOf(random: Random): Size {
  const share = random();
  return share < 0.025 ? "long" : share < 0.2 ? "middle" : "short";
}

function chance(random: Random, share: number): boolean {
  return random() < share;
}
