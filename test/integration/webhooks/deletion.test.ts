import { expect, onTestFinished, test } from "vitest";
import { createAuditor } from "../../../src/audit/auditor.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";
import { deleteOrphans, skipPending } from "../../../src/webhooks/sweep-queries.ts";
import { createDeliverySweeper } from "../../../src/webhooks/sweeper.ts";
import { until } from "../../support/until.ts";
import { createJob } from "../jobs/steps.ts";
import { createWebhookHarness, settings, startReceiver } from "./webhook-harness.ts";

const ALL = { webhookId: null, jobId: null, status: null, eventType: "", since: null, until: null };

test("the changes of jobs neither wait for whoever changes or deletes a webhook nor fail by it, and what they leave is swept unseen", async () => {
  await using w = await createWebhookHarness();
  const { webhooks, h } = w;
  const { url } = await startReceiver();
  const { webhook: kept } = await webhooks.create(h.admin, settings(url));
  const { webhook: deleted } = await webhooks.create(h.admin, settings(url));
  await createJob(h);
  await h.db.begin(async (tx) => {
    await tx`select from webhook_subscriptions where id = ${kept.id} for update`;
    await tx`delete from webhook_subscriptions where id = ${deleted.id}`;
    // On another connection.
    await createJob(h);
  });
  expect(await w.statuses(deleted.id)).toMatchObject({ PENDING: 2 });
  const page = { limit: 100, beforeId: null };
  const seen = await webhooks.deliveries(h.admin, ALL, page);
  expect(seen.map(({ webhookId }) => webhookId)).toEqual([kept.id, kept.id]);
  const [left] = await h.db.sql<{ id: string }[]>`
    select id from webhook_deliveries where subscription_id = ${deleted.id}`;
  await expect(webhooks.delivery(h.admin, left?.id ?? "")).rejects.toMatchObject({
    reason: "DELIVERY_NOT_FOUND",
  });
  await expect(webhooks.redeliver(h.admin, left?.id ?? "")).rejects.toMatchObject({
    reason: "DELIVERY_NOT_FOUND",
  });
  expect([await deleteOrphans(h.db.sql, 1), await deleteOrphans(h.db.sql, 100)]).toEqual([1, 1]);
  expect(await deleteOrphans(h.db.sql, 100)).toBe(0);
  expect(await webhooks.deliveries(h.admin, ALL, page)).toEqual(seen);
});

test("what an attempt delivers while its webhook is made inactive is not called skipped", async () => {
  await using w = await createWebhookHarness();
  const { webhooks, h } = w;
  const { url } = await startReceiver();
  const { webhook } = await webhooks.create(h.admin, settings(url));
  await createJob(h);
  await webhooks.update(h.admin, webhook.id, 1, { ...settings(url), isActive: false });
  let skipped = Promise.resolve(-1);
  await h.db.begin(async (tx) => {
    await tx`update webhook_deliveries set status = 'DELIVERED' where subscription_id = ${webhook.id}`;
    skipped = skipPending(h.db.sql, 100);
    const waits = async () => (await tx`select from pg_locks where not granted`).length > 0;
    await until(waits, "the sweep waits for what is recorded");
  });
  expect(await skipped).toBe(0);
  expect(await w.statuses(webhook.id)).toMatchObject({ DELIVERED: 1, SKIPPED: 0 });
});

test("webhooks of a user who is not active any more are disabled: nothing is told to their places, and it is audited", async () => {
  await using w = await createWebhookHarness();
  const { webhooks, h } = w;
  const { url } = await startReceiver();
  const leaver = h.caller(["webhooks:create", "webhooks:read", "jobs:create"]);
  await h.db.sql`insert into users (id, email) values (${leaver.userId}, 'leaver@example.com')`;
  const { webhook } = await webhooks.create(leaver, settings(url));
  const { webhook: stays } = await webhooks.create(h.admin, settings(url));
  await createJob(h, leaver);
  const pool = h.db.dedicated({ name: "sweep", max: 1, statementTimeoutMs: 10_000 });
  const logger = createLogger("silent");
  const sweeper = createDeliverySweeper({
    ...{ pool, logger, audit: createAuditor(), now: Date.now },
    ...{ retentionMs: 86_400_000, intervalMs: 20 },
  });
  await sweeper.start();
  onTestFinished(() => sweeper.stop());
  await h.db.sql`update users set is_active = false where id = ${leaver.userId}`;
  await until(async () => (await w.statuses(webhook.id)).SKIPPED === 1, "what waited is skipped");
  const { webhook: now } = await webhooks.get(leaver, webhook.id);
  expect(now).toMatchObject({ isActive: false, disabledReason: "Its owner is not active any more." });
  expect((await webhooks.get(h.admin, stays.id)).webhook.isActive).toBe(true);
  expect(
    await h.db.sql`select resource_id as id from audit_logs where action = 'webhooks.disable'`,
  ).toMatchObject([{ id: webhook.id }]);
});
