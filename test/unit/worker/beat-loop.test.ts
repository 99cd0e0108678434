import { expect, test } from "vitest";
import type { Beat } from "../../../src/jobs/heartbeats.ts";
import { createBeatLoop } from "../../../src/worker/beat-loop.ts";
import type { FromHeartbeat } from "../../../src/worker/heartbeat-protocol.ts";

type Renewal = Beat["leases"][number];

const LEASE_MS = 30_000;
const TICK_MS = 1_000;
const facts = { id: "w", host: "h", version: "v", pid: 1, concurrency: 1, running: 0, draining: false };

/** A loop with a clock of its own, on a database that answers what `answer` says. */
function start(answer: (tokens: string[]) => Renewal[] | Promise<Renewal[]>) {
  let at = 0;
  const told: FromHeartbeat[] = [];
  const asked: { at: number; tokens: string[]; peaks: unknown[] }[] = [];
  const loop = createBeatLoop({
    leaseMs: LEASE_MS,
    intervalMs: 10_000,
    hungAfterMs: 60_000,
    tickMs: TICK_MS,
    now: () => at,
    tell: (message) => told.push(message),
    async renew(_worker, leases) {
      const tokens = leases.map(({ token }) => token);
      asked.push({ at, tokens, peaks: leases.map(({ peakMemoryBytes }) => peakMemoryBytes) });
      return { isDisplaced: false, leases: await answer(tokens) };
    },
  });
  const alive = () => loop.hear({ kind: "alive", facts, peaks: [] });
  return {
    loop,
    told,
    asked,
    alive,
    hold: (token: string) =>
      loop.hear({ kind: "hold", lease: { jobId: `job of ${token}`, token }, renewedAt: at }),
    /** Lets time go on, tick by tick. */
    async pass(ms: number, each: () => void = alive) {
      for (const end = at + ms; at < end; ) {
        at += TICK_MS;
        each();
        loop.tick();
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    /** The whole process stands still. */
    standStill(ms: number) {
      at += ms;
    },
  };
}

const holds = (tokens: string[]): Renewal[] =>
  tokens.map((token) => ({ token, cancel: false, renewed: true }));

test("leases are renewed together at each interval, with the memory that was told", async () => {
  const h = start(holds);
  h.alive();
  h.hold("a");
  h.hold("b");
  h.loop.hear({ kind: "alive", facts, peaks: [["a", 5]] });
  await h.pass(31_000);
  expect(h.asked.map(({ at }) => at)).toEqual([1_000, 11_000, 21_000, 31_000]);
  expect(h.asked[3]).toMatchObject({ tokens: ["a", "b"], peaks: [5, 0] });
  expect(h.told.filter(({ kind }) => kind !== "beat")).toEqual([]);
});

test("a lease that is missing in the answer is told as lost, once, and asked for no more", async () => {
  const h = start((tokens) => holds(tokens.filter((token) => token !== "a")));
  h.alive();
  h.hold("a");
  h.hold("b");
  await h.pass(12_000);
  expect(h.told.filter(({ kind }) => kind === "lost")).toEqual([{ kind: "lost", tokens: ["a"] }]);
  expect(h.asked[1]?.tokens).toEqual(["b"]);
});

test("an attempt that ended while the answer was on its way is not told as lost", async () => {
  const answer = Promise.withResolvers<Renewal[]>();
  const h = start(() => answer.promise);
  h.alive();
  h.hold("a");
  await h.pass(1_000);
  h.loop.hear({ kind: "drop", token: "a" });
  answer.resolve([]);
  await h.pass(1_000);
  expect(h.told).toEqual([{ kind: "beat", at: 1_000, renewed: [], cancel: [], isDisplaced: false }]);
});

test("an order to cancel is told", async () => {
  const h = start((tokens) => tokens.map((token) => ({ token, cancel: true, renewed: true })));
  h.alive();
  h.hold("a");
  await h.pass(1_000);
  expect(h.told).toEqual([{ kind: "beat", at: 1_000, renewed: ["a"], cancel: ["a"], isDisplaced: false }]);
});

test("a lease that could not be renewed is asked for again within a second", async () => {
  const h = start((tokens) => tokens.map((token) => ({ token, cancel: false, renewed: false })));
  h.alive();
  h.hold("a");
  await h.pass(LEASE_MS + 2_000);
  expect(h.asked.slice(0, 4).map(({ at }) => at)).toEqual([1_000, 2_000, 3_000, 4_000]);
  // It holds as long as the database has said, and no longer.
  expect(h.told.filter(({ kind }) => kind === "lost")).toEqual([{ kind: "lost", tokens: ["a"] }]);
});

test("after a failure the next heartbeat comes soon", async () => {
  const h = start(() => Promise.reject(new Error("away")));
  h.alive();
  await h.pass(4_000);
  expect(h.asked).toHaveLength(4);
  expect(h.told[0]).toEqual({ kind: "failed", error: "away" });
});

test("leases whose renewal gets no answer are told as lost when they must have run out", async () => {
  const h = start(() => new Promise(() => {}));
  h.alive();
  h.hold("a");
  await h.pass(LEASE_MS - 1_000);
  expect(h.told).toEqual([]);
  await h.pass(1_000);
  expect(h.told).toEqual([{ kind: "lost", tokens: ["a"] }]);
  expect(h.asked).toHaveLength(1);
});

test("nothing is renewed for a main thread that stands still, until it shows life again", async () => {
  const h = start(holds);
  h.alive();
  h.hold("a");
  await h.pass(90_000, () => {});
  expect(h.asked.at(-1)?.at).toBeLessThanOrEqual(60_000);
  expect(h.told.filter(({ kind }) => kind === "lost")).toHaveLength(1);
  expect(h.told.some(({ kind }) => kind === "hung")).toBe(false);
  await h.pass(2_000);
  expect(h.told.filter(({ kind }) => kind === "hung")).toEqual([{ kind: "hung", ms: 91_000 }]);
  expect(h.asked.at(-1)?.at).toBeGreaterThan(90_000);
});

test("a process that stood still as a whole has no main thread to blame", async () => {
  const h = start(holds);
  h.alive();
  h.hold("a");
  await h.pass(1_000);
  h.standStill(300_000);
  h.loop.tick();
  h.alive();
  await h.pass(1_000);
  expect(h.told.filter(({ kind }) => kind === "hung")).toEqual([]);
  expect(h.told.filter(({ kind }) => kind === "lost")).toEqual([{ kind: "lost", tokens: ["a"] }]);
});
