import { expect, test } from "vitest";
import { createBacklog } from "../../../src/webhooks/backlog.ts";
import { until } from "../../support/until.ts";
import { createJob } from "../jobs/steps.ts";
import { createWebhookHarness, settings, startReceiver } from "./webhook-harness.ts";

test("health is told of deliveries that no process gets to, and not of an endpoint that takes its time", async () => {
  await using w = await createWebhookHarness();
  const receiver = await startReceiver();
  const answer = Promise.withResolvers<void>();
  receiver.handle((_, response) => void answer.promise.then(() => response.writeHead(204).end()));
  await w.webhooks.create(w.h.admin, { ...settings(receiver.url), events: ["job.created"] });
  await createJob(w.h);
  await w.h.db.sql`update webhook_deliveries set next_attempt_at = now() - interval '90 seconds'`;
  const pool = w.h.db.dedicated({ name: "backlog", max: 1, statementTimeoutMs: 10_000 });
  const backlog = createBacklog({ pool, now: Date.now });
  await expect(backlog.check()).rejects.toThrow("more servers deliver more");
  await w.startDispatcher();
  await until(async () => receiver.received.length === 1, "it is on its way");
  await backlog.check();
  const { due, secondsBehind } = await backlog.read();
  expect(due).toBe(1);
  expect(secondsBehind).toBeGreaterThan(60);
  answer.resolve();
});
