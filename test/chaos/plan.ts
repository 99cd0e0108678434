import { between, branch, shuffled } from "./random.ts";

/** Each lane does one fault after another; the lanes go side by side, so that faults of different kinds meet. */
export const LANES = {
  workers: [
    "worker killed -9",
    "worker stopped by SIGTERM",
    "worker frozen",
    "worker's steps late",
    "worker's completion late",
  ],
  machines: [
    "server killed -9",
    "server stopped by SIGTERM",
    "Postgres restarted",
    "Postgres killed -9",
    "Postgres back ends killed",
  ],
  redis: ["Redis flushed", "Redis restarted", "Redis stopped"],
} as const;

export type Lane = keyof typeof LANES;
export type FaultKind = (typeof LANES)[Lane][number];

export interface PlannedFault {
  readonly kind: FaultKind;
  /** In [0, 1): which of several it hits, and other choices of the fault. */
  readonly draw: number;
  readonly pauseMs: number;
  /** Counts from 1; a round has every kind of its lane once. */
  readonly round: number;
}

/** Range of the pauses before each fault, in milliseconds. */
export type Pauses = Readonly<Record<Lane, readonly [low: number, high: number]>>;

/** The faults of a lane, without end: every kind once a round, in an order of its own. The same for the same seed. */
export function* planOf(lane: Lane, seed: number, pauses: Pauses): Generator<PlannedFault, never> {
  const random = branch(seed, lane);
  const [low, high] = pauses[lane];
  for (let round = 1; ; round++) {
    for (const kind of shuffled<FaultKind>(random, LANES[lane])) {
      yield { kind, draw: random(), pauseMs: between(random, low, high), round };
    }
  }
}
