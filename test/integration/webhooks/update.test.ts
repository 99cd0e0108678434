import { expect, test } from "vitest";
import { until } from "../../support/until.ts";
import { createJob } from "../jobs/steps.ts";
import { createWebhookHarness, settings, startReceiver } from "./webhook-harness.ts";

test("who changes what a webhook shows keeps its query and its headers; another URL takes neither along", async () => {
  await using w = await createWebhookHarness();
  const { webhooks, h } = w;
  const receiver = await startReceiver();
  const headers = { authorization: "Bearer theirs" };
  // An empty value says later that it stays.
  await expect(
    webhooks.create(h.admin, { ...settings(receiver.url), headers: { authorization: "" } }),
  ).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
  const { webhook } = await webhooks.create(h.admin, { ...settings(`${receiver.url}?key=1`), headers });
  await w.startDispatcher();
  const unchanged = { ...settings(webhook.shownUrl), isOrdered: null, isActive: null };
  const seen = async (count: number) => {
    await webhooks.sendTest(h.admin, webhook.id);
    await until(async () => receiver.received.length === count, `test ${count} is posted`);
    const { path, headers } = receiver.received.at(-1)!;
    return { path, authorization: headers.authorization };
  };
  expect(webhook.shownUrl).toBe(receiver.url);

  const described = { ...unchanged, headers: { authorization: "" }, description: "ours" };
  expect((await webhooks.update(h.admin, webhook.id, 1, described)).description).toBe("ours");
  expect(await seen(1)).toEqual({ path: "/hook?key=1", authorization: "Bearer theirs" });

  const moved = { ...described, url: `${receiver.url}2` };
  await expect(webhooks.update(h.admin, webhook.id, 2, moved)).rejects.toMatchObject({
    reason: "INVALID_REQUEST",
  });
  expect((await webhooks.update(h.admin, webhook.id, 2, { ...moved, headers: {} })).headerNames).toEqual([]);
  expect(await seen(2)).toEqual({ path: "/hook2", authorization: undefined });
}, 60_000);

test("another URL starts afresh: without the pause of the one before, and whatever that answers late", async () => {
  await using w = await createWebhookHarness();
  const { webhooks, h } = w;
  const [old, next] = [await startReceiver(), await startReceiver()];
  old.answer(500);
  const { webhook } = await webhooks.create(h.admin, { ...settings(old.url), events: ["job.created"] });
  await w.startDispatcher();
  for (let i = 0; i < 4; i++) await createJob(h);
  const health = async () => (await webhooks.get(h.admin, webhook.id)).webhook.health;
  await until(async () => (await health()).failures === 4, "four attempts failed");
  const late = Promise.withResolvers<void>();
  old.handle((_, response) => void late.promise.then(() => response.writeHead(410).end()));
  await createJob(h);
  await until(async () => old.received.length === 5, "the fifth is on its way");
  const moved = { ...settings(next.url), events: ["job.created"], isActive: null, isOrdered: null };
  await webhooks.update(h.admin, webhook.id, 1, moved);
  late.resolve();
  expect(await health()).toEqual({ failures: 0, failingSince: null, pausedUntil: null });
  await createJob(h);
  await until(async () => next.received.length === 1, "the new place gets it");
  const { webhook: now } = await webhooks.get(h.admin, webhook.id);
  expect([now.isActive, now.health.failures]).toEqual([true, 0]);
}, 60_000);
