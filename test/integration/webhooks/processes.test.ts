import { expect, test } from "vitest";
import { until } from "../../support/until.ts";
import { createJob } from "../jobs/steps.ts";
import { createWebhookHarness, settings, startReceiver } from "./webhook-harness.ts";

const idsOf = (received: readonly { headers: Record<string, string> }[]) =>
  received.map(({ headers }) => headers["webhook-id"]);

test("of several processes one delivers to an endpoint at a time, and what it leaves another takes up: nothing comes twice", async () => {
  await using w = await createWebhookHarness();
  const receivers = await Promise.all(Array.from({ length: 6 }, startReceiver));
  for (const { url } of receivers)
    await w.webhooks.create(w.h.admin, { ...settings(url), events: ["job.created"] });
  const [first] = await Promise.all([w.startDispatcher(), w.startDispatcher(), w.startDispatcher()]);
  for (let i = 0; i < 20; i++) await createJob(w.h);
  await first.stop();
  for (let i = 0; i < 20; i++) await createJob(w.h);
  for (const { received } of receivers) {
    await until(async () => received.length >= 40, "everything is posted");
    expect(new Set(idsOf(received)).size).toBe(40);
    expect(received).toHaveLength(40);
  }
});

test("a process that was cut off from its endpoints finds its late records refused, and leaves them to the other", async () => {
  await using w = await createWebhookHarness();
  const receiver = await startReceiver();
  const { webhook } = await w.webhooks.create(w.h.admin, {
    ...settings(receiver.url),
    events: ["job.created"],
  });
  const open: (() => void)[] = [];
  receiver.handle(
    (_, response) => void open.push(() => response.writeHead(open.length > 1 ? 204 : 500).end()),
  );
  await createJob(w.h);
  await w.startDispatcher();
  await until(async () => open.length === 1, "the first attempt is on its way");
  // As if half a minute had passed without a sign of it.
  await w.h.db.sql`update webhook_endpoints set held_until = '-infinity'`;
  await w.startDispatcher();
  await until(async () => open.length === 2, "the other process attempts it too");
  open[1]?.();
  await until(async () => (await w.statuses(webhook.id)).DELIVERED === 1, "the other's attempt counts");
  open[0]?.();
  await createJob(w.h);
  await until(async () => open.length === 3, "the next is attempted");
  open[2]?.();
  await until(async () => (await w.statuses(webhook.id)).DELIVERED === 2, "the next is delivered");
  const attempts = await w.h.db.sql`select number from webhook_attempts`;
  expect(attempts).toHaveLength(2);
  expect(new Set(idsOf(receiver.received)).size).toBe(2);
});

test("settings that change hold for the next attempt, by whatever process", async () => {
  await using w = await createWebhookHarness();
  const [old, next] = [await startReceiver(), await startReceiver()];
  const { webhook } = await w.webhooks.create(w.h.admin, {
    ...settings(old.url),
    headers: { "x-mine": "1" },
  });
  await w.startDispatcher();
  await createJob(w.h);
  await until(async () => old.received.length === 1, "the first place gets it");
  expect(old.received[0]?.headers["x-mine"]).toBe("1");
  const wanted = { ...settings(next.url), isActive: null };
  await w.webhooks.update(w.h.admin, webhook.id, 1, wanted);
  await createJob(w.h);
  await until(async () => next.received.length === 1, "the next place gets it");
  expect(old.received).toHaveLength(1);
  expect(next.received[0]?.headers["x-mine"]).toBeUndefined();
  await w.webhooks.update(w.h.admin, webhook.id, 2, { ...wanted, isActive: false });
  await createJob(w.h);
  expect(await w.statuses(webhook.id)).toMatchObject({ SKIPPED: 1, DELIVERED: 2 });
});

test("an attempt from before a webhook was made active again has no say in how its endpoint fares", async () => {
  await using w = await createWebhookHarness();
  const receiver = await startReceiver();
  const { webhook } = await w.webhooks.create(w.h.admin, {
    ...settings(receiver.url),
    events: ["job.created"],
  });
  let refuse = (): void => {};
  receiver.handle((_, response) => {
    refuse = () => void response.writeHead(500).end();
  });
  await createJob(w.h);
  const dispatcher = await w.startDispatcher();
  await until(async () => receiver.received.length === 1, "an attempt is on its way");
  const wanted = { ...settings(receiver.url), events: ["job.created"] };
  await w.webhooks.update(w.h.admin, webhook.id, 0, { ...wanted, isActive: false });
  await w.webhooks.update(w.h.admin, webhook.id, 0, { ...wanted, isActive: true });
  receiver.answer(204);
  refuse();
  // What it still has to record is recorded by then.
  await dispatcher.stop();
  const { webhook: now } = await w.webhooks.get(w.h.admin, webhook.id);
  expect(now.health.failures).toBe(0);
});
