import { expect, test } from "vitest";
import { createClaimer } from "../../../src/jobs/claimer.ts";
import type { ClaimedJob } from "../../../src/jobs/lease-queries.ts";
import type { JobPriority } from "../../../src/jobs/model.ts";

/** A line that never runs dry at the priorities that are named. */
function endless(priorities: readonly JobPriority[]) {
  const begun: JobPriority[] = [];
  const claimer = createClaimer({
    newTurn: () => "start",
    async claim({ priority, limit }) {
      if (!priorities.includes(priority)) return [];
      begun.push(...Array.from({ length: limit }, () => priority));
      return Array.from({ length: limit }, () => ({ job: { ownerId: "o" } }) as ClaimedJob);
    },
  });
  return { begun, claimer };
}

const shares = (begun: readonly JobPriority[]) =>
  (["HIGH", "NORMAL", "LOW"] as const).map((p) => begun.filter((priority) => priority === p).length);

test.each([1, 2, 3, 16, 100])(
  "of every 16 jobs begun one is LOW and one NORMAL, however many come at once: %i",
  async (limit) => {
    const { begun, claimer } = endless(["HIGH", "NORMAL", "LOW"]);
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
  const { begun, claimer } = endless(["LOW"]);
  expect(await claimer(40)).toHaveLength(40);
  expect(shares(begun)).toEqual([0, 0, 40]);
});

test("the round goes on after the owner whose turn was last, and elsewhere when nobody could be served", async () => {
  const asked: string[] = [];
  const answers = [["a", "b"], [], ["c"]];
  let fresh = 0;
  const claimer = createClaimer({
    newTurn: () => `new ${++fresh}`,
    async claim({ priority, after }) {
      if (priority !== "HIGH") return [];
      asked.push(after);
      return (answers.shift() ?? []).map((ownerId) => ({ job: { ownerId } }) as ClaimedJob);
    },
  });
  await claimer(2);
  await claimer(1);
  await claimer(1);
  expect(asked[1]).toBe("b");
  expect(asked[2]).toMatch(/^new /);
});
