import { expect, test } from "vitest";
import { until } from "../../support/until.ts";
import { createJob } from "../jobs/steps.ts";
import { createWebhookHarness, settings, startReceiver, type WebhookHarness } from "./webhook-harness.ts";

const oneDelivery = async (w: WebhookHarness, webhookId: string) => {
  const all = { jobId: null, status: null, eventType: "", since: null, until: null };
  const [found] = await w.webhooks.deliveries(w.h.admin, { webhookId, ...all }, { limit: 1, beforeId: null });
  if (!found) throw new Error("there is no delivery");
  return found;
};

const sinceEver = (webhookId: string) => ({ webhookId, since: new Date(0), until: null, onlyFailed: true });

test("who has mended an endpoint gets all that is not delivered at once: what waits for another attempt, and in spite of a pause", async () => {
  await using w = await createWebhookHarness();
  const { webhooks, h } = w;
  const receiver = await startReceiver();
  receiver.answer(500);
  const { webhook } = await webhooks.create(h.admin, { ...settings(receiver.url), events: ["job.created"] });
  await w.startDispatcher();
  for (let i = 0; i < 5; i++) await createJob(h);
  const isPaused = async () => (await webhooks.get(h.admin, webhook.id)).webhook.health.pausedUntil !== null;
  await until(isPaused, "five failures have made a pause");
  expect(await w.statuses(webhook.id)).toMatchObject({ PENDING: 5 });
  receiver.answer(204);
  expect(await webhooks.replay(h.admin, sinceEver(webhook.id))).toBe(5);
  await until(async () => (await w.statuses(webhook.id)).DELIVERED === 5, "all are delivered");
  expect(await webhooks.replay(h.admin, sinceEver(webhook.id))).toBe(0);
});

test("a delivery that is sent again while its last attempt is on its way is not given up by that", async () => {
  await using w = await createWebhookHarness();
  const { webhooks, h } = w;
  const receiver = await startReceiver();
  const answers: (() => void)[] = [];
  receiver.handle(
    (_, response) => void answers.push(() => response.writeHead(answers.length > 1 ? 204 : 500).end()),
  );
  const { webhook } = await webhooks.create(h.admin, { ...settings(receiver.url), events: ["job.created"] });
  await createJob(h);
  await h.db.sql`update webhook_deliveries set attempts = 9`;
  await w.startDispatcher();
  await until(async () => answers.length === 1, "the last attempt is on its way");
  const { id } = await oneDelivery(w, webhook.id);
  await webhooks.redeliver(h.admin, id);
  answers[0]?.();
  await until(async () => answers.length === 2, "it is sent again");
  answers[1]?.();
  await until(async () => (await w.statuses(webhook.id)).DELIVERED === 1, "it is delivered");
});
