import { expect, test } from "vitest";
import { createEventBus, type EventBus } from "../../../src/events/bus.ts";
import type { LoggedEvent } from "../../../src/events/model.ts";
import { JobNotFoundError } from "../../../src/jobs/errors.ts";
import { newEvent } from "../../../src/jobs/job-events.ts";
import { createJobWatch } from "../../../src/jobs/watch.ts";
import { everybody } from "../../../src/lib/caller.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";
import { createHarness, type Harness, until } from "../../support/harness.ts";
import { claimOne, createJob, eventsOf, failedJob, failureOf, resultOf } from "./steps.ts";

const patience = () => AbortSignal.timeout(20_000);
const log = (message: string) => newEvent({ type: "log", level: "info", message });

async function all(events: AsyncIterable<LoggedEvent | null>): Promise<LoggedEvent[]> {
  const found: LoggedEvent[] = [];
  for await (const event of events) if (event) found.push(event);
  return found;
}

/** The harness's bus, with a count of those who listen for ids. */
function countingBus(bus: EventBus): EventBus & { listeners(): number } {
  let listeners = 0;
  return {
    ...bus,
    listeners: () => listeners,
    onId(...args) {
      listeners++;
      const end = bus.onId(...args);
      return () => {
        listeners--;
        end();
      };
    },
  };
}

/** A job that ran with more events than one page of the log has. */
async function longJob(h: Harness): Promise<string> {
  const id = await createJob(h);
  const claimed = await claimOne(h);
  for (let batch = 0; batch < 5; batch++) {
    const events = Array.from({ length: 100 }, (_, i) => log(`${batch} ${i}`));
    await h.leases.progress(claimed.lease, { share: batch / 5, message: null, events });
  }
  await h.leases.complete(claimed, resultOf("x"));
  return id;
}

test("a watch from any event on delivers what an uncut one delivers after it, and ends with the final event", async () => {
  await using h = await createHarness();
  const id = await longJob(h);
  const uncut = await all(h.jobs.watch(h.admin, id, 0, patience()));
  expect(uncut.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 503 }, (_, i) => i + 1));
  expect(uncut.at(-1)?.payload).toMatchObject({ status: "COMPLETED" });
  for (const after of [1, 2, 199, 200, 201, 400, 502, 503, 504, 2_147_483_647]) {
    expect(await all(h.jobs.watch(h.admin, id, after, patience()))).toEqual(uncut.slice(after));
  }
});

test("a watcher that is cut off after every single event and comes back sees each event once", async () => {
  await using h = await createHarness();
  const id = await createJob(h);
  const work = (async () => {
    const claimed = await claimOne(h);
    for (let i = 0; i < 20; i++) {
      await h.leases.progress(claimed.lease, { share: i / 20, message: null, events: [log(`${i}`)] });
    }
    await h.leases.complete(claimed, resultOf("x"));
  })();
  const seen: number[] = [];
  let ended = false;
  while (!ended) {
    ended = true;
    for await (const event of h.jobs.watch(h.admin, id, seen.at(-1) ?? 0, patience())) {
      if (!event) continue;
      seen.push(event.sequence);
      ended = (event.payload as { status?: string }).status === "COMPLETED";
      break;
    }
  }
  await work;
  expect(seen).toEqual(Array.from({ length: 23 }, (_, i) => i + 1));
});

test("ten watchers follow a job live and all see the same", async () => {
  await using h = await createHarness();
  const id = await createJob(h);
  const watches = Array.from({ length: 10 }, () => all(h.jobs.watch(h.admin, id, 0, patience())));
  const claimed = await claimOne(h);
  await h.leases.progress(claimed.lease, { share: 0.5, message: "half", events: [log("a"), log("b")] });
  await h.leases.complete(claimed, resultOf("x"));
  const expected = await eventsOf(h, id);
  for (const seen of await Promise.all(watches)) expect(seen).toEqual(expected);
});

test("fifty watchers of a job read what a wake-up brings as often as one", async () => {
  await using h = await createHarness();
  const id = await createJob(h);
  let looks = 0;
  const db = {
    ...h.db,
    scoped(...args: Parameters<typeof h.db.scoped>) {
      looks++;
      return h.db.scoped(...args);
    },
  };
  const watchJob = createJobWatch({ db, bus: h.bus });
  const watch = { scope: everybody("a test"), id, afterSequence: 0, signal: patience(), pollMs: 60_000 };
  const seen = Array.from({ length: 50 }, () => [] as LoggedEvent[]);
  const watching = Promise.all(
    seen.map(async (events) => {
      for await (const event of watchJob(watch)) if (event) events.push(event);
    }),
  );
  await until(async () => seen.every(({ length }) => length === 1), "all have seen the first event");
  await h.jobs.cancel(h.admin, id, "");
  await watching;
  const expected = await eventsOf(h, id);
  for (const events of seen) expect(events).toEqual(expected);
  expect(looks).toBeLessThan(10);
});

test("a watch works when every wake-up is lost: it looks by itself", async () => {
  await using h = await createHarness();
  const id = await createJob(h);
  const deaf = createEventBus({
    transport: {
      publish: async () => {},
      subscribe: async () => {},
      check: async () => {},
      close: async () => {},
    },
    processId: "deaf",
    logger: createLogger("silent"),
  });
  const watch = { scope: everybody("a test"), id, afterSequence: 0, signal: patience(), pollMs: 20 };
  const seen: LoggedEvent[] = [];
  const watching = (async () => {
    for await (const event of createJobWatch({ db: h.db, bus: deaf })(watch)) if (event) seen.push(event);
  })();
  await until(async () => seen.length === 1, "the first event is there");
  await h.jobs.cancel(h.admin, id, "");
  await watching;
  expect(seen.map(({ sequence }) => sequence)).toEqual([1, 2]);
});

test("a watch of a quiet job sends a sign of life now and then", async () => {
  await using h = await createHarness();
  const id = await createJob(h);
  const stop = new AbortController();
  const watch = {
    scope: everybody("a test"),
    id,
    afterSequence: 0,
    signal: stop.signal,
    pollMs: 5,
    keepAliveMs: 30,
  };
  const seen: (number | null)[] = [];
  for await (const event of createJobWatch({ db: h.db, bus: h.bus })(watch)) {
    seen.push(event?.sequence ?? null);
    if (seen.length === 4) break;
  }
  expect(seen).toEqual([1, null, null, null]);
});

test("whoever ends a watch, by abort or by leaving, leaves no listener behind", async () => {
  await using h = await createHarness();
  const bus = countingBus(h.bus);
  const id = await createJob(h);
  const stop = new AbortController();
  const watch = { scope: everybody("a test"), id, afterSequence: 0, signal: stop.signal };
  const aborted = all(createJobWatch({ db: h.db, bus })(watch));
  const left = createJobWatch({ db: h.db, bus })({ ...watch, signal: patience() });
  await left.next();
  await until(async () => bus.listeners() === 2, "both listen");
  stop.abort(new Error("gone"));
  await expect(aborted).rejects.toThrow("gone");
  await left.return(undefined);
  expect(bus.listeners()).toBe(0);
  await expect(all(createJobWatch({ db: h.db, bus })(watch))).rejects.toThrow("gone");
  expect(bus.listeners()).toBe(0);
});

test("a watch ends at the first end; after a retry a new one goes on from there to the next end", async () => {
  await using h = await createHarness();
  const id = await failedJob(h);
  const first = await all(h.jobs.watch(h.admin, id, 0, patience()));
  expect(first.at(-1)?.payload).toMatchObject({ status: "FAILED" });
  await h.jobs.retry(h.admin, id);
  const next = all(h.jobs.watch(h.admin, id, first.at(-1)?.sequence ?? 0, patience()));
  await h.leases.complete(await claimOne(h), resultOf("x"));
  const statuses = (await next).map(({ payload }) => (payload as { status: string }).status);
  expect(statuses).toEqual(["CREATED", "PROCESSING", "COMPLETED"]);
  expect(await all(h.jobs.watch(h.admin, id, 0, patience()))).toEqual(await eventsOf(h, id));
});

test("a watch of a job that is deleted meanwhile ends with an error and does not hang", async () => {
  await using h = await createHarness();
  const id = await createJob(h);
  const watch = { scope: everybody("a test"), id, afterSequence: 0, signal: patience(), pollMs: 20 };
  const watching = createJobWatch({ db: h.db, bus: h.bus })(watch);
  await watching.next();
  await h.db.sql`delete from jobs where id = ${id}`;
  await expect(all(watching)).rejects.toThrow(JobNotFoundError);
});

test("events are numbered without gaps when many write to one job at once", async () => {
  await using h = await createHarness();
  const id = await createJob(h);
  const claimed = await claimOne(h);
  await Promise.all([
    ...Array.from({ length: 30 }, (_, i) =>
      h.leases.progress(claimed.lease, { share: 0.1, message: null, events: [log(`${i}`), log(`${i}`)] }),
    ),
    h.jobs.cancel(h.admin, id, ""),
  ]);
  await h.leases.fail(claimed, { error: failureOf(true), retryInMs: 0 });
  const sequences = (await eventsOf(h, id)).map(({ sequence }) => sequence);
  expect(sequences).toEqual(Array.from({ length: 63 }, (_, i) => i + 1));
});
