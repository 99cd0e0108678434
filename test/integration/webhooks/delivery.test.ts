import { fromJsonString } from "@bufbuild/protobuf";
import { Webhook as Verifier } from "standardwebhooks";
import { expect, test } from "vitest";
import { WebhookEventSchema } from "../../../gen/sluice/v1/webhooks_pb.ts";
import { countDue, oldestDue } from "../../../src/webhooks/dispatch-queries.ts";
import type { Delivery } from "../../../src/webhooks/model.ts";
import { skipPending } from "../../../src/webhooks/sweep-queries.ts";
import { until } from "../../support/until.ts";
import { claimOne, completedJob, createJob, failedJob } from "../jobs/steps.ts";
import {
  createWebhookHarness,
  type Received,
  settings,
  startReceiver,
  type WebhookHarness,
} from "./webhook-harness.ts";

const typesOf = (received: readonly Received[]): string[] =>
  received.map(({ body }) => JSON.parse(body).type).sort();

const deliveriesOf = (w: WebhookHarness, webhookId: string): Promise<Delivery[]> =>
  w.webhooks.deliveries(
    w.h.admin,
    { webhookId, jobId: null, status: null, eventType: "", since: null, until: null },
    { limit: 100, beforeId: null },
  );

const isActive = async (w: WebhookHarness, id: string): Promise<boolean> =>
  (await w.webhooks.get(w.h.admin, id)).webhook.isActive;

test("what happens to a job is posted once for each webhook of its owner that wants it, signed, as the contract says", async () => {
  await using w = await createWebhookHarness();
  const { h } = w;
  const all = await startReceiver();
  const ends = await startReceiver();
  const foreign = await startReceiver();
  const { secret } = await w.webhooks.create(h.admin, settings(all.url));
  await w.webhooks.create(h.admin, { ...settings(ends.url), events: ["job.completed", "job.failed"] });
  await w.webhooks.create(h.caller(["webhooks:create"]), settings(foreign.url));
  await w.startDispatcher();
  const completed = await completedJob(h);
  const failed = await failedJob(h);
  await until(async () => all.received.length >= 6 && ends.received.length >= 2, "everything is posted");
  expect(typesOf(all.received)).toEqual(
    ["created", "created", "started", "started", "completed", "failed"].map((e) => `job.${e}`).sort(),
  );
  expect(typesOf(ends.received)).toEqual(["job.completed", "job.failed"]);
  expect(foreign.received).toEqual([]);
  for (const { body, headers } of all.received) {
    // Throws unless signature and time are right.
    new Verifier(secret).verify(body, headers);
    const { version, subject } = fromJsonString(WebhookEventSchema, body);
    expect(version).toBe("v1");
    expect(subject.case).toBe("job");
  }
  const end = JSON.parse(ends.received.find(({ body }) => body.includes("job.failed"))?.body ?? "{}");
  expect(end.job).toMatchObject({
    id: failed,
    status: "JOB_STATUS_FAILED",
    errorReason: "STAGE_FAILED",
    attempt: 1,
  });
  const done = JSON.parse(ends.received.find(({ body }) => body.includes("job.completed"))?.body ?? "{}");
  expect(done.job).toMatchObject({ id: completed, status: "JOB_STATUS_COMPLETED", pipelineName: "default" });
});

test("an endpoint that fails is tried again by the schedule to its end, under the same id, and a replay sends it again", async () => {
  await using w = await createWebhookHarness();
  const receiver = await startReceiver();
  receiver.answer(500, {}, "no");
  const { webhook } = await w.webhooks.create(w.h.admin, {
    ...settings(receiver.url),
    events: ["job.created"],
  });
  const startMs = Date.now();
  await createJob(w.h);
  await w.startDispatcher();
  for (let attempt = 1; attempt <= 10; attempt++) {
    const delivery = await until(async () => {
      const [found] = await deliveriesOf(w, webhook.id);
      return found?.attempts === attempt && found;
    }, `attempt ${attempt} is recorded`);
    if (delivery.nextAttemptTime) w.time.aheadMs = delivery.nextAttemptTime.getTime() - Date.now();
  }
  expect(await w.statuses(webhook.id)).toMatchObject({ FAILED: 1, PENDING: 0 });
  // 75.6 hours, a fifth more or less.
  const hours = (Date.now() + w.time.aheadMs - startMs) / 3_600_000;
  expect(hours).toBeGreaterThan(60);
  expect(hours).toBeLessThan(91);
  expect(new Set(receiver.received.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
  expect(new Set(receiver.received.map(({ body }) => body)).size).toBe(1);
  receiver.answer(204);
  // Whatever pause the failures brought.
  w.time.aheadMs += 3_600_000;
  const of = { webhookId: webhook.id, since: new Date(0), until: null, onlyFailed: true };
  expect(await w.webhooks.replay(w.h.admin, of)).toBe(1);
  await until(async () => (await w.statuses(webhook.id)).DELIVERED === 1, "the replay arrives");
  expect(receiver.received).toHaveLength(11);
  await until(
    async () => (await w.webhooks.get(w.h.admin, webhook.id)).webhook.health.failures === 0,
    "it is well",
  );
});

test("five days of nothing but failures disable a webhook, and what was skipped can be replayed", async () => {
  await using w = await createWebhookHarness();
  const receiver = await startReceiver();
  receiver.answer(503);
  const { webhook } = await w.webhooks.create(w.h.admin, { ...settings(receiver.url), events: ["job.*"] });
  await w.startDispatcher();
  for (let day = 0; ; day++) {
    await createJob(w.h);
    const { webhook: now } = await w.webhooks.get(w.h.admin, webhook.id);
    if (!now.isActive) break;
    expect(day).toBeLessThan(12);
    const before = receiver.received.length;
    w.time.aheadMs += 12 * 3_600_000;
    await until(
      async () => receiver.received.length > before || !(await isActive(w, webhook.id)),
      `day ${day / 2}`,
    );
  }
  const { webhook: now } = await w.webhooks.get(w.h.admin, webhook.id);
  expect(now.disabledReason).toContain("five days");
  // As the sweep does for what was made at that very moment.
  await skipPending(w.h.db.sql, 10);
  const statuses = await w.statuses(webhook.id);
  expect(statuses.PENDING).toBe(0);
  expect(statuses.SKIPPED).toBeGreaterThan(1);
  const of = { webhookId: webhook.id, since: new Date(0), until: null, onlyFailed: true };
  await expect(w.webhooks.replay(w.h.admin, of)).rejects.toThrow("Make it active");
  receiver.answer(200);
  const wanted = { ...settings(receiver.url), events: ["job.*"], isActive: true };
  await w.webhooks.update(w.h.admin, webhook.id, 0, wanted);
  const count = await w.webhooks.replay(w.h.admin, of);
  expect(count).toBe(statuses.SKIPPED + statuses.FAILED);
  await until(async () => (await w.statuses(webhook.id)).DELIVERED === count, "all arrive");
});

test("an endpoint that answers 410 is disabled at once: what waits is skipped, others of the owner are told, and it is audited", async () => {
  await using w = await createWebhookHarness();
  const gone = await startReceiver();
  const other = await startReceiver();
  const { webhook } = await w.webhooks.create(w.h.admin, { ...settings(gone.url), events: ["job.created"] });
  await w.webhooks.create(w.h.admin, { ...settings(other.url), events: ["webhook.disabled"] });
  gone.answer(410);
  for (let i = 0; i < 5; i++) await createJob(w.h);
  await w.startDispatcher();
  await until(async () => (await w.statuses(webhook.id)).PENDING === 0, "nothing waits");
  const { webhook: now } = await w.webhooks.get(w.h.admin, webhook.id);
  expect(now.isActive).toBe(false);
  expect(now.disabledReason).toContain("410");
  await until(async () => other.received.length === 1, "the owner is told");
  expect(JSON.parse(other.received[0]?.body ?? "{}")).toMatchObject({
    type: "webhook.disabled",
    webhook: { id: webhook.id },
  });
  const rows = await w.h.db
    .sql`select * from audit_logs where action = 'webhooks.disable' and resource_id = ${webhook.id}`;
  expect(rows).toHaveLength(1);
  await createJob(w.h);
  expect((await w.statuses(webhook.id)).PENDING).toBe(0);
});

test("with ordered events a later one of a job waits for the earlier, and other jobs go on", async () => {
  await using w = await createWebhookHarness();
  const receiver = await startReceiver();
  const { webhook } = await w.webhooks.create(w.h.admin, { ...settings(receiver.url), isOrdered: true });
  const first = await createJob(w.h);
  await claimOne(w.h);
  let refuse = true;
  receiver.handle((_, response) => {
    const { job } = JSON.parse(receiver.received.at(-1)?.body ?? "{}");
    response.writeHead(refuse && job.id === first && job.sequence === 1 ? 500 : 204).end();
  });
  await w.startDispatcher();
  await until(async () => receiver.received.length >= 1, "the first is tried");
  const second = await createJob(w.h);
  await until(async () => receiver.received.some(({ body }) => body.includes(second)), "another job goes on");
  expect(receiver.received.filter(({ body }) => body.includes("job.started"))).toEqual([]);
  // What waits for its turn is not late.
  await until(async () => (await w.statuses(webhook.id)).DELIVERED === 1, "the other job's is recorded");
  expect([await oldestDue(w.h.db.sql, new Date(), "all"), await countDue(w.h.db.sql, new Date())]).toEqual([
    null,
    0,
  ]);
  refuse = false;
  w.time.aheadMs += 60_000;
  await until(async () => (await w.statuses(webhook.id)).PENDING === 0, "all arrive");
  const of = receiver.received.map(({ body }) => JSON.parse(body)).filter(({ job }) => job.id === first);
  expect(of.map(({ type }) => type)).toEqual(["job.created", "job.created", "job.started"]);
});

test("the official package takes what is signed before, during and after a change of secrets, and refuses what was altered or is old", async () => {
  await using w = await createWebhookHarness();
  const receiver = await startReceiver();
  const { webhook, secret: first } = await w.webhooks.create(w.h.admin, {
    ...settings(receiver.url),
    events: ["job.created"],
  });
  await w.startDispatcher();
  const next = async (): Promise<Received> => {
    const before = receiver.received.length;
    await createJob(w.h);
    return await until(async () => receiver.received[before], "it arrives");
  };
  const takes = (secret: string, { body, headers }: Received): boolean => {
    // It goes by the time of this machine, and deliveries by the test's.
    const aside = Math.floor((Date.now() + w.time.aheadMs) / 1_000) - Math.floor(Date.now() / 1_000);
    const sentAt = Number(headers["webhook-timestamp"]);
    const { now } = Date;
    Date.now = () => now() + aside * 1_000;
    try {
      new Verifier(secret).verify(body, headers);
      return Math.abs(sentAt * 1_000 - Date.now()) < 60_000;
    } catch {
      return false;
    } finally {
      Date.now = now;
    }
  };
  const old = await next();
  expect(takes(first, old)).toBe(true);
  const { secret: second } = await w.webhooks.rotateSecret(w.h.admin, webhook.id, 3_600_000);
  const during = await next();
  expect([takes(first, during), takes(second, during)]).toEqual([true, true]);
  w.time.aheadMs = 3_700_000;
  const after = await next();
  expect([takes(first, after), takes(second, after)]).toEqual([false, true]);
  expect(takes(second, { ...after, body: `${after.body} ` })).toBe(false);
  expect(takes(second, { ...after, headers: { ...after.headers, "webhook-id": "other" } })).toBe(false);
  // Signed an hour ago by the clock that is ahead.
  expect(takes(first, old)).toBe(false);
});
