import { expect, test } from "vitest";
import type { Claimed } from "../../../src/queue/queue.ts";
import { createTurns } from "../../../src/queue/turns.ts";

const claimedBy = (ownerId: string, rank: number): Claimed => ({
  entry: { id: "", ownerId, rank, runTime: new Date(0), isDue: true, concurrencyKey: null, parked: false },
});

/** A line that never runs dry at the ranks that are named. */
function endless(ranks: readonly number[]) {
  const begun: number[] = [];
  const claimer = createTurns({
    newTurn: () => "start",
    begun: 0,
    async claim({ lines, limit }) {
      const rank = lines.find((line) => ranks.includes(line.rank))?.rank;
      if (rank === undefined) return [];
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
    // A small claim goes to one rank as a whole, so a share may be ahead or behind by one claim.
    const most = Math.max(1, limit < 16 ? limit : 1);
    expect(Math.abs(low - rounds)).toBeLessThanOrEqual(most);
    expect(Math.abs(normal - rounds)).toBeLessThanOrEqual(most);
    expect(high + normal + low).toBe(begun.length);
  },
);

test("a claim of a few jobs is one statement, whichever rank comes first", async () => {
  let statements = 0;
  const turns = createTurns({
    newTurn: () => "start",
    begun: 0,
    async claim({ lines, limit }) {
      statements++;
      return Array.from({ length: limit }, () => claimedBy("o", lines[0]?.rank ?? 9));
    },
  });
  for (let claims = 0; claims < 160; claims++) await turns(2);
  expect(statements).toBe(160);
});

test("a share that nobody needs goes to the others", async () => {
  const { begun, claimer } = endless([2]);
  expect(await claimer(40)).toHaveLength(40);
  expect(shares(begun)).toEqual([0, 0, 40]);
});

test("the round goes on after the owner whose turn was last, and elsewhere when nobody could be served", async () => {
  const asked: (string | undefined)[] = [];
  const answers = [["a", "b"], ["c"], []];
  let fresh = 0;
  const turns = createTurns({
    newTurn: () => `new ${++fresh}`,
    begun: 0,
    async claim({ lines }) {
      asked.push(lines.find(({ rank }) => rank === 0)?.after);
      return (answers.shift() ?? []).map((ownerId) => claimedBy(ownerId, 0));
    },
  });
  await turns(2);
  await turns(1);
  await turns(1);
  await turns(1);
  expect(asked.slice(0, 3)).toEqual(["new 1", "b", "c"]);
  expect(asked[3]).toMatch(/^new /);
  expect(asked[3]).not.toBe("new 1");
});

test("a rank whose jobs are all held back keeps none of the others from being begun", async () => {
  const turns = createTurns({
    newTurn: () => "start",
    begun: 0,
    // The first rank has jobs, and none of them can be taken.
    claim: async ({ lines, limit }) =>
      lines[0]?.rank === 0 ? [] : Array.from({ length: limit }, () => claimedBy("o", lines[0]?.rank ?? 9)),
  });
  expect(shares((await turns(3)).map(({ entry }) => entry.rank))).toEqual([0, 3, 0]);
});

test("jobs that were claimed before a claim failed are given, since they are held under a lease", async () => {
  let calls = 0;
  const turns = createTurns({
    newTurn: () => "start",
    begun: 0,
    async claim() {
      if (++calls % 2 === 0) throw new Error("the database is away");
      return [claimedBy("o", 0)];
    },
  });
  expect(await turns(3)).toHaveLength(1);
  calls = 1;
  await expect(turns(3)).rejects.toThrow("the database is away");
});

test("a process that restarts after every few jobs leaves no rank out for ever, since it begins anywhere in a round", async () => {
  const first: (number | undefined)[] = [];
  for (let begun = 0; begun < 16; begun++) {
    const turns = createTurns({
      newTurn: () => "start",
      begun,
      claim: async ({ lines, limit }) =>
        Array.from({ length: limit }, () => claimedBy("o", lines[0]?.rank ?? 9)),
    });
    first.push((await turns(1))[0]?.entry.rank);
  }
  expect(shares(first as number[])).toEqual([14, 1, 1]);
});
