import { expect, test } from "vitest";
import type { LoggedEvent } from "../../../src/events/model.ts";
import { newEvent } from "../../../src/jobs/job-events.ts";
import type { JobFilter } from "../../../src/jobs/model.ts";
import { watchJobs } from "../../../src/jobs/watch-many.ts";
import { scopeOf } from "../../../src/lib/caller.ts";
import { newId } from "../../../src/lib/ids.ts";
import { createHarness, type Harness, textRequest, until } from "../../support/harness.ts";
import { claimOne, createJob, resultOf } from "./steps.ts";

/** A stream that has begun, with what it has told until now. */
async function begin(
  h: Pick<Harness, "db" | "bus">,
  caller: Harness["admin"],
  filter: JobFilter,
  { lookMs = 60_000, gatherMs = 1 } = {},
) {
  const end = new AbortController();
  const told: (LoggedEvent | null)[] = [];
  const ended = (async () => {
    const scope = scopeOf(caller, "jobs:read");
    const watch = { scope, filter, signal: end.signal, lookMs, gatherMs, keepAliveMs: 20 };
    for await (const event of watchJobs(h, watch)) told.push(event);
  })().catch((error: unknown) => error);
  await until(async () => told.length > 0, "the stream shows that it has begun");
  const events = () => told.filter((event) => event !== null);
  return {
    told,
    events,
    of: (id: string) =>
      events()
        .filter(({ jobId }) => jobId === id)
        .map(({ sequence }) => sequence),
    async stop() {
      end.abort(new Error("enough"));
      expect(await ended).toEqual(new Error("enough"));
    },
  };
}

async function labelled(h: Harness, team: string): Promise<string> {
  return (await h.jobs.create(h.admin, { ...textRequest("a text"), labels: { team } })).job.id;
}

/** The database, and how many statements have asked which of some jobs match. */
function counting(h: Harness) {
  let statements = 0;
  const scoped: Harness["db"]["scoped"] = (scope) => {
    const sql = h.db.scoped(scope);
    const counted = (...args: Parameters<typeof sql>) => {
      if (String(args[0]).includes("any(")) statements++;
      return sql(...args);
    };
    return Object.assign(counted, { scope, unsafe: sql.unsafe }) as unknown as typeof sql;
  };
  return { db: { ...h.db, scoped }, matched: () => statements };
}

/** The job under an id as one has that was made years ago. */
async function aged(h: Harness, id: string): Promise<string> {
  const old = `01900000${id.slice(8)}`;
  await h.db.begin(async (tx) => {
    await tx`insert into jobs select r.* from jobs j
      cross join lateral jsonb_populate_record(j, jsonb_build_object('id', ${old}::text)) r where j.id = ${id}`;
    await tx`update job_events set job_id = ${old} where job_id = ${id}`;
    await tx`delete from jobs where id = ${id}`;
  });
  return old;
}

const log = (message: string) => newEvent({ type: "log", level: "info", message });
const upTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1);

async function run(h: Harness, lines: number): Promise<void> {
  const claimed = await claimOne(h);
  const events = Array.from({ length: lines }, (_, i) => log(`${i}`));
  await h.leases.progress(claimed.lease, { share: 0.5, message: null, events });
  await h.leases.complete(claimed, resultOf("x"));
}

test("every event of jobs created after the beginning is told once and in order, and none from before", async () => {
  await using h = await createHarness();
  const before = await createJob(h);
  await run(h, 3);
  const stream = await begin(h, h.admin, {});
  const first = await createJob(h);
  const second = await createJob(h);
  await run(h, 450);
  await run(h, 3);
  await until(async () => stream.of(first).length + stream.of(second).length === 453 + 6, "all is told");
  for (const id of [first, second]) expect(stream.of(id)).toEqual(upTo(stream.of(id).length));
  expect(stream.of(before)).toEqual([]);
  await stream.stop();
});

test("a job that the filter found is followed to its end, one that it does not find is never told", async () => {
  await using h = await createHarness();
  const stream = await begin(h, h.admin, { statuses: ["CREATED"], labels: { team: "a" } });
  const other = await labelled(h, "b");
  h.bus.announce("work", ["queue"]);
  const ours = await labelled(h, "a");
  await until(async () => stream.of(ours).length === 1, "it is found");
  await h.jobs.cancel(h.admin, ours, "");
  await h.jobs.cancel(h.admin, other, "");
  await until(async () => stream.of(ours).length === 2, "its end is told");
  expect(stream.of(other)).toEqual([]);
  await stream.stop();
});

test("nobody is told of jobs of others without jobs:read:any", async () => {
  await using h = await createHarness();
  const stranger = h.caller();
  const stream = await begin(h, stranger, {});
  const theirs = await createJob(h);
  const own = await createJob(h, stranger);
  await until(async () => stream.of(own).length === 1, "the own one is told");
  expect(stream.of(theirs)).toEqual([]);
  await stream.stop();
});

test("an event whose wake-up was lost is told at the next look, also of a job from before the beginning", async () => {
  await using h = await createHarness();
  const { db, matched } = counting(h);
  const silent = { db, bus: { ...h.bus, onAny: () => () => {} } };
  const first = await aged(h, await labelled(h, "a"));
  const second = await aged(h, await labelled(h, "a"));
  const stream = await begin(silent, h.admin, { labels: { team: "a" } }, { lookMs: 50 });
  await run(h, 3);
  await until(async () => stream.of(first).length === 5, "the end of the first is found");
  const claimed = await claimOne(h);
  await until(async () => stream.of(second).length === 1, "the second is found while it runs");
  await h.leases.complete(claimed, resultOf("x"));
  const other = await labelled(h, "b");
  const id = await labelled(h, "a");
  await until(async () => stream.of(id).length === 1, "the new job is found");
  for (let n = 0; n < 2; n++) await run(h, 3);
  await until(async () => stream.of(id).length === 6, "its end is found");
  expect([first, second, id].map(stream.of)).toEqual([[2, 3, 4, 5, 6], [2, 3], upTo(6)]);
  expect(stream.of(other)).toEqual([]);
  // The look has told what matches.
  expect(matched()).toBe(0);
  await stream.stop();
});

test("what is announced in quick succession is looked for at once", async () => {
  await using h = await createHarness();
  const { db, matched } = counting(h);
  const stream = await begin({ db, bus: h.bus }, h.admin, {}, { gatherMs: 1_000 });
  for (let n = 0; n < 10; n++) {
    h.bus.announce("events", [newId()]);
    await h.db.sql`select 1`;
  }
  const id = await createJob(h);
  await until(async () => stream.of(id).length === 1, "the new job is found");
  expect(matched()).toBe(1);
  await stream.stop();
});

test("a stream with nothing to tell keeps alive, and ends with its signal", async () => {
  await using h = await createHarness();
  const stream = await begin(h, h.admin, {});
  await until(async () => stream.told.length >= 3, "it keeps alive");
  expect(stream.events()).toEqual([]);
  await stream.stop();
});
