import { expect, test } from "vitest";
import { LANES, type Lane, type PlannedFault, planOf } from "../../chaos/plan.ts";
import { specOf } from "../../chaos/work.ts";

const PAUSES = { workers: [0, 1_000], machines: [0, 1_000], redis: [0, 1_000] } as const;
const lanes = Object.keys(LANES) as Lane[];

function planned(lane: Lane, seed: number, count: number): PlannedFault[] {
  const plan = planOf(lane, seed, PAUSES);
  return Array.from({ length: count }, () => plan.next().value);
}

test("the same seed gives the same faults and the same jobs, another seed gives others", () => {
  for (const lane of lanes) {
    expect(planned(lane, 7, 30)).toEqual(planned(lane, 7, 30));
    expect(planned(lane, 7, 30)).not.toEqual(planned(lane, 8, 30));
  }
  const jobs = (seed: number) => Array.from({ length: 50 }, (_, n) => specOf(seed, n, 3, false));
  expect(jobs(7)).toEqual(jobs(7));
  expect(jobs(7)).not.toEqual(jobs(8));
});

test("every round has each kind of fault of its lane once, and not always in the same order", () => {
  for (const lane of lanes) {
    const size = LANES[lane].length;
    const rounds = Map.groupBy(planned(lane, 3, size * 8), ({ round }) => round);
    const orders = [...rounds.values()].map((faults) => faults.map(({ kind }) => kind));
    for (const order of orders) expect(order.toSorted()).toEqual([...LANES[lane]].sort());
    expect(new Set(orders.map(String)).size).toBeGreaterThan(1);
  }
});
