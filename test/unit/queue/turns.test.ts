import { expect, test } from "vitest";
import type { Claimed } from "../../../src/queue/queue.ts";
import { createTurns } from "../../../src/queue/turns.ts";

const claimedBy = (ownerId: string, rank: number): Claimed => ({
  entry: { id: "", ownerId, rank, runTime: new Date(0), concurrencyKey: null, parked: false },
});

/** A line that never runs dry at the ranks that are named. */
function endless(ranks: readonly number[]) {
  const begun: number[] = [];
  const claimer = createTurns({
    newTurn: () => "start",
    begun: 0,
    async claim({ rank, limit }) {
      if (!ranks.includes(rank)) return [];
      begun.push(...Array.from({ length: limit }, () => rank));
      return Array.from({ length: limit }, () => claimedBy("o", rank));
    },
  });
  return { begun, claimer };
}

const shares = (begun: readonly number[]) =>
  [0, 1, 2].map((rank) => begun.filter((of) => of === rank).length);

test.each([1, 2, 3, 16, 100])(
  "of every 16 jobs begun one is LOW and one NORMAL, however many come at once: %i",
  async (limit) => {
    const { begun, claimer } = endless([0, 1, 2]);
    for (let taken = 0; taken < 1_600; taken += limit) await claimer(limit);
    const rounds = begun.length / 16;
    const [high = 0, normal = 0, low = 0] = shares(begun);
    expect(low).toBe(Math.floor(rounds));
    expect(normal).toBeGreaterThanOrEqual(Math.floor(rounds));
    expect(normal).toBeLessThanOrEqual(Math.ceil(rounds));
    expect(high + normal + low).toBe(begun.length);
  },
);

test("a share that nobody needs goes to the others", async () => {
  const { begun, claimer } = endless([2]);
  expect(await claimer(40)).toHaveLength(40);
  expect(shares(begun)).toEqual([0, 0, 40]);
});

test("the round goes on after the owner whose turn was last, and elsewhere when nobody could be served", async () => {
  const asked: string[] = [];
  const answers = [["a", "b"], [], ["c"]];
  let fresh = 0;
  const claimer = createTurns({
    newTurn: () => `new ${++fresh}`,
    begun: 0,
    async claim({ rank, after }) {
      if (rank !== 0) return [];
      asked.push(after);
      return (answers.shift() ?? []).map((ownerId) => claimedBy(ownerId, rank));
    },
  });
  await claimer(2);
  await claimer(1);
  await claimer(1);
  expect(asked[1]).toBe("b");
  expect(asked[2]).toMatch(/^new /);
});

test("a process that restarts after every few jobs leaves no rank out for ever, since it begins anywhere in a round", async () => {
  const first: (number | undefined)[] = [];
  for (let begun = 0; begun < 16; begun++) {
    const turns = createTurns({
      newTurn: () => "start",
      begun,
      claim: async ({ rank, limit }) => Array.from({ length: limit }, () => claimedBy("o", rank)),
    });
    first.push((await turns(1))[0]?.entry.rank);
  }
  expect(shares(first as number[])).toEqual([14, 1, 1]);
});
