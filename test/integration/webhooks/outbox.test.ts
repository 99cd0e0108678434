import { expect, test } from "vitest";
import { type CrashPoint, createCrashPoints } from "../../support/crash-points.ts";
import type { Harness, Services } from "../../support/harness.ts";
import { textRequest } from "../../support/harness.ts";
import { until } from "../../support/until.ts";
import { createJob, failureOf, resultOf } from "../jobs/steps.ts";
import { createWebhookHarness, settings, startReceiver } from "./webhook-harness.ts";

/** Where a process dies: at its first commits, in each way. */
const POINTS: CrashPoint[] = [0, 1].flatMap((skip) =>
  (["error", "death", "kill"] as const).flatMap((manner) => [
    { skip, where: "before" as const, statements: 0, manner },
    ...[0, 1, 2, 3, 4].map((statements) => ({ skip, where: "inside" as const, statements, manner })),
    { skip, where: "after" as const, statements: 0, manner },
  ]),
);

/** What is done to jobs, by a process that may die of it. */
const ACTS: Record<string, (h: Harness, services: Services, prepared: Prepared) => Promise<unknown>> = {
  create: (h, { jobs }) => jobs.create(h.admin, textRequest("a text")),
  complete: (_, { leases }, { claimed }) => leases.complete(claimed, resultOf("done")),
  fail: (_, { leases }, { claimed }) => leases.fail(claimed, { error: failureOf(false), retryInMs: null }),
  cancel: (h, { jobs }, { waiting }) => jobs.cancel(h.admin, waiting, "no more"),
};

async function prepare(h: Harness) {
  const running = await createJob(h);
  // Those of a process that died may come first.
  const claimed = await until(async () => {
    const [next] = await h.leases.claim("w", 1, Date.now);
    return next?.job.id === running && next;
  }, "the job is claimed");
  return { claimed, waiting: await createJob(h) };
}
type Prepared = Awaited<ReturnType<typeof prepare>>;

/** Each change of status that is an event of its own, and how many deliveries tell of it. */
const countsOf = (h: Harness) => h.db.sql<{ deliveries: number }[]>`
  select (select count(*) from webhook_deliveries d where d.job_id = e.job_id and d.sequence = e.sequence)::int as deliveries
  from job_events e where type = 'status_changed' and payload->>'status' <> 'CANCELLING'
    and (payload->>'status' <> 'CREATED' or payload->>'previousStatus' is null)`;

test("wherever a process dies while jobs are created, finished and cancelled, every change that stands has its deliveries, and no other", async () => {
  await using w = await createWebhookHarness();
  const { h } = w;
  const [one, two] = [await startReceiver(), await startReceiver()];
  await w.webhooks.create(h.admin, settings(one.url));
  await w.webhooks.create(h.admin, { ...settings(two.url), events: ["job.*"] });
  await w.webhooks.create(h.admin, { ...settings(two.url), events: ["webhook.test"] });
  const crashes = createCrashPoints(h.db);
  let died = 0;
  for (const act of Object.values(ACTS)) {
    for (const point of POINTS) {
      const prepared = await prepare(h);
      const process = crashes.newProcess();
      const { crashed } = await process.run(point, () => act(h, h.newProcess(process.db), prepared));
      if (crashed) died++;
    }
  }
  expect(died).toBeGreaterThanOrEqual(50);
  const counts = await countsOf(h);
  expect(counts.length).toBeGreaterThan(300);
  expect(counts.filter(({ deliveries }) => deliveries !== 2)).toEqual([]);
  const [all] = await h.db.sql<[{ count: number }]>`select count(*)::int as count from webhook_deliveries`;
  expect(all.count).toBe(2 * counts.length);
  await w.startDispatcher();
  for (const { received } of [one, two]) {
    await until(async () => received.length >= counts.length, "all of them arrive", 60_000);
    expect(new Set(received.map(({ headers }) => headers["webhook-id"])).size).toBe(counts.length);
  }
});
