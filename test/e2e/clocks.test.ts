import { timestampDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type JobEvent, JobStatus, WaitingReason } from "@sluice/sdk";
import { expect, test } from "vitest";
import {
  createSite,
  documentProcessesOf,
  eventually,
  longText,
  type Program,
  type Site,
} from "../support/processes.ts";

const MINUTE = 60_000;
const PRELOAD = new URL("../support/preload-clock.ts", import.meta.url).href;

const clockOf = (ms: number) => ({ NODE_OPTIONS: `--import=${PRELOAD}`, TEST_CLOCK_MS: String(ms) });

async function startWorker(site: Site, offsetMs: number): Promise<Program> {
  const worker = site.start(["worker"], clockOf(offsetMs));
  await worker.says("Sluice worker runs");
  return worker;
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

const msOf = (time: Parameters<typeof timestampDate>[0] | undefined) =>
  time ? timestampDate(time).getTime() : Number.NaN;

/** When each attempt of a job began, by the database. */
const beginnings = (events: readonly JobEvent[]) =>
  events.flatMap(({ time, event }) =>
    event.case === "statusChanged" && event.value.status === JobStatus.PROCESSING ? [msOf(time)] : [],
  );

async function eventsOf(site: Site, id: string): Promise<JobEvent[]> {
  const events: JobEvent[] = [];
  for await (const event of site.client().jobs.watch(id)) events.push(event);
  return events;
}

test("workers whose clocks are ten minutes off, beside a right one: every job completes once, and none is stolen", async () => {
  await using site = await createSite({ env: { SLUICE_LEASE_MS: "3000" } });
  await site.serve("--no-worker");
  const workers = [
    await startWorker(site, 10 * MINUTE),
    await startWorker(site, -10 * MINUTE),
    await startWorker(site, 0),
  ];
  const client = site.client();
  // Some of them longer than a lease and the sweep after it.
  const texts = Array.from({ length: 24 }, (_, i) => (i < 6 ? longText(400_000) : `Document ${i}.`));
  const ids = await Promise.all(texts.map(async (text) => (await client.jobs.submit({ text })).id));
  const jobs = await Promise.all(ids.map((id) => client.jobs.wait(id)));
  expect(jobs.map(({ status, attempt }) => ({ status, attempt }))).toEqual(
    ids.map(() => ({ status: JobStatus.COMPLETED, attempt: 1 })),
  );
  for (const id of ids) expect(beginnings(await eventsOf(site, id))).toHaveLength(1);
  const pids = workers.map(({ pid }) => pid);
  const busy = pids.filter((pid) => jobs.some(({ workerId }) => workerId.split("-").includes(String(pid))));
  expect(busy).toEqual(pids);
  for (const { stderr } of workers) expect(stderr).not.toContain("taken back");
});

test("a worker whose clock is off says so once, with how far, and the list of workers shows it", async () => {
  await using site = await createSite();
  await site.serve("--no-worker");
  const [ahead, behind] = [await startWorker(site, 10 * MINUTE), await startWorker(site, -10 * MINUTE)];
  const listed = async () => {
    const { stdout } = await site.run("workers", "list");
    return [ahead, behind].map(
      ({ pid }) =>
        stdout
          .split("\n")
          .find((line) => line.includes(`-${pid}-`))
          ?.trim() ?? "",
    );
  };
  await eventually(async () => {
    const [first = "", second = ""] = await listed();
    return first.endsWith("10 min ahead") && second.endsWith("10 min behind");
  }, "the list shows both");
  const warnings = ({ stderr }: Program) => stderr.match(/the clock of this machine is .*? database's/g);
  expect(warnings(ahead)).toEqual(["the clock of this machine is 600 s ahead of the database's"]);
  expect(warnings(behind)).toEqual(["the clock of this machine is 600 s behind the database's"]);
});

test.for([10 * MINUTE, -10 * MINUTE])(
  "server and worker %i ms off: a delayed job runs at its time, and its waiting is explained by the right one",
  async (offsetMs) => {
    await using site = await createSite();
    const server = site.start(["serve", "--no-worker"], clockOf(offsetMs));
    await server.says("Sluice is ready at");
    expect(server.stderr).toContain("the clock of this machine is 600 s");
    const client = site.client();
    const runTime = Date.now() + 6_000;
    const create = async (at: number): Promise<string> => {
      const source = { case: "text", value: "A text." } as const;
      const { job } = await client.jobs.createJob({ source, runTime: timestampFromMs(at) });
      return job?.id ?? "";
    };
    const id = await create(runTime);
    expect((await client.jobs.get(id)).waiting?.reason).toBe(WaitingReason.SCHEDULED);
    await startWorker(site, offsetMs);
    expect((await client.jobs.wait(id)).status).toBe(JobStatus.COMPLETED);
    const [began = Number.NaN] = beginnings(await eventsOf(site, id));
    expect(began).toBeGreaterThanOrEqual(runTime);
    expect(began).toBeLessThan(runTime + MINUTE);
    // One whose time has come by the right clock, and not by this server's, is in the line.
    await client.system.pauseQueue({ reason: "" });
    expect((await client.jobs.get(await create(Date.now() - 1_000))).waiting?.reason).toBe(
      WaitingReason.QUEUE_PAUSED,
    );
  },
);

test.for([10 * MINUTE, -10 * MINUTE])(
  "a worker %i ms off waits as long as it says before it tries again",
  async (offsetMs) => {
    await using site = await createSite({ env: { SLUICE_WORKER_CONCURRENCY: "1" } });
    await site.serve("--no-worker");
    const worker = await startWorker(site, offsetMs);
    const client = site.client();
    const { id } = await client.jobs.submit({ text: longText(1_500_000) });
    const events: JobEvent[] = [];
    for await (const item of client.jobs.watch(id)) {
      events.push(item);
      // Killed from outside is a failure that may be tried again. Stage after stage, until one is met at work.
      if (item.event.case !== "stageStarted" || beginnings(events).length > 2) continue;
      for (const pid of documentProcessesOf(worker.pid)) kill(pid);
    }
    const retries = events.flatMap(({ time, event }) =>
      event.case === "statusChanged" && event.value.runTime && event.value.error
        ? [{ failedAt: msOf(time), runTime: msOf(event.value.runTime) }]
        : [],
    );
    expect(retries).toHaveLength(2);
    const begun = beginnings(events);
    for (const [i, { failedAt, runTime }] of retries.entries()) {
      // A random wait of up to 1 s, then of up to 2 s.
      expect(runTime - failedAt).toBeGreaterThanOrEqual(0);
      expect(runTime - failedAt).toBeLessThanOrEqual(1_000 * 2 ** i + 1);
      expect(begun[i + 1]).toBeGreaterThanOrEqual(runTime);
    }
    expect((await client.jobs.get(id)).status).toBe(JobStatus.COMPLETED);
  },
);
