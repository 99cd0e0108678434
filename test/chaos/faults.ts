import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import type { Arena, Struck } from "./arena.ts";
import type { Fleet, Worker } from "./fleet.ts";
import type { Member } from "./member.ts";
import type { FaultKind } from "./plan.ts";
import { comes, type Hold, heldBy, moment, servesAgain, takenOver } from "./recovery.ts";
import { isAboutToComplete, isInLongStage, makeZombie } from "./zombie.ts";

/** Longest time for which Postgres stays away. */
const POSTGRES_AWAY_MS = 2_000;
const BUSY_MS = 10_000;

/** `draw` in [0, 1) is the fault's own share of the seed. */
export const FAULTS: Readonly<Record<FaultKind, (arena: Arena, draw: number) => Promise<Struck>>> = {
  "worker killed -9": (arena, draw) => loseWorker(arena, draw, "SIGKILL"),
  "worker stopped by SIGTERM": (arena, draw) => loseWorker(arena, draw, "SIGTERM"),
  "worker frozen": async (arena, draw) => {
    const worker = oneOf(arena.fleet.workers, draw);
    // Its document processes go on, so that there is something to write when it wakes.
    const how = { away: () => worker.freeze(), back: () => worker.wake(), isRipe: isInLongStage };
    return await makeZombie(arena, worker, how);
  },
  // What the worker sends meanwhile arrives in the end, complete and in order: claims, renewals, steps, completions.
  "worker's steps late": (arena, draw) => holdPackets(arena, draw, isInLongStage),
  "worker's completion late": (arena, draw) => holdPackets(arena, draw, isAboutToComplete),
  "server killed -9": (arena, draw) => loseServer(arena, draw, "SIGKILL"),
  "server stopped by SIGTERM": (arena, draw) => loseServer(arena, draw, "SIGTERM"),
  "Postgres restarted": (arena, draw) => losePostgres(arena, draw, "fast"),
  "Postgres killed -9": (arena, draw) => losePostgres(arena, draw, "kill"),
  "Postgres back ends killed": async ({ fleet, book }) => {
    const since = performance.now();
    const ended = await fleet.postgres.killBackends();
    const recoveredMs = await servesAgain(fleet, book, await moment(fleet, book), since);
    return { recoveredMs, note: `${ended} connections` };
  },
  "Redis flushed": async ({ fleet, book }) => {
    const client = new Redis(fleet.redis.url);
    const since = performance.now();
    await client.flushall();
    client.disconnect();
    return { recoveredMs: await servesAgain(fleet, book, await moment(fleet, book), since) };
  },
  "Redis restarted": async ({ fleet, book }) => {
    const since = performance.now();
    await fleet.redis.restart();
    return { recoveredMs: await servesAgain(fleet, book, await moment(fleet, book), since) };
  },
  "Redis stopped": async ({ fleet, book, redisAwayMs }) => {
    const since = performance.now();
    await fleet.redis.kill();
    const away = sleep(redisAwayMs);
    const recoveredMs = await servesAgain(fleet, book, await moment(fleet, book), since);
    await away;
    await fleet.redis.restart();
    const backAt = performance.now();
    const againMs = await servesAgain(fleet, book, await moment(fleet, book), backAt);
    const note = `work went on without it; ${seconds(againMs)} after its return new work was done`;
    const faults = againMs === null ? ["no work was done after Redis had come back"] : [];
    return { recoveredMs, note, faults };
  },
};

async function loseWorker(arena: Arena, draw: number, signal: "SIGKILL" | "SIGTERM"): Promise<Struck> {
  const { fleet } = arena;
  const worker = oneOf(fleet.workers, draw);
  const holds = await whatItHolds(fleet, worker);
  const since = performance.now();
  const ended = worker.end(signal);
  const [recoveredMs] = await Promise.all([takenOver(fleet, holds, since), ended.then(() => worker.start())]);
  return { hit: holds.length, recoveredMs };
}

async function holdPackets(arena: Arena, draw: number, isRipe: (hold: Hold) => boolean): Promise<Struck> {
  const worker = oneOf(arena.fleet.workers, draw);
  const { line } = worker;
  return await makeZombie(arena, worker, { away: () => line.hold(), back: () => line.release(), isRipe });
}

/** Waits until the worker has something to lose. */
async function whatItHolds(fleet: Fleet, worker: Worker) {
  let holds = await heldBy(fleet, worker);
  await comes(async () => {
    if (holds.length === 0) holds = await heldBy(fleet, worker);
    return holds.length > 0;
  }, BUSY_MS);
  return holds;
}

async function loseServer(arena: Arena, draw: number, signal: "SIGKILL" | "SIGTERM"): Promise<Struck> {
  const { fleet, book } = arena;
  const server: Member = oneOf(fleet.servers, draw);
  const since = performance.now();
  await server.end(signal);
  const after = await moment(fleet, book);
  const [recoveredMs] = await Promise.all([servesAgain(fleet, book, after, since), server.start()]);
  return { recoveredMs };
}

async function losePostgres(arena: Arena, draw: number, how: "fast" | "kill"): Promise<Struck> {
  const { fleet, book } = arena;
  const awayMs = draw * POSTGRES_AWAY_MS;
  const from = performance.now();
  await fleet.postgres.restart(how, awayMs);
  const since = performance.now();
  const recoveredMs = await servesAgain(fleet, book, await moment(fleet, book), since);
  return { recoveredMs, note: `away for ${seconds(since - from)}` };
}

function oneOf<T>(items: readonly T[], draw: number): T {
  const item = items[Math.floor(draw * items.length)];
  if (item === undefined) throw new RangeError("the fleet is empty");
  return item;
}

function seconds(ms: number | null): string {
  return ms === null ? "more than a minute" : `${(ms / 1000).toFixed(1)} s`;
}
