import { expect, test } from "vitest";
import { createAuditor } from "../../../src/audit/auditor.ts";
import { createSystemService, type ServerFacts } from "../../../src/system/service.ts";
import { createHarness, type Harness, textRequest } from "../../support/harness.ts";

const systemOf = (h: Harness) =>
  createSystemService({ ...h, audit: createAuditor(), facts: {} as ServerFacts, now: Date.now });

test("while the queue is paused jobs are created and none is begun; resumed, they are", async () => {
  await using h = await createHarness();
  const system = systemOf(h);
  expect((await system.pause(h.admin, "the disk is full")).pause).toEqual({
    paused: true,
    reason: "the disk is full",
  });
  const { job } = await h.jobs.create(h.admin, textRequest("t"));
  expect(await h.leases.claim("w", 5, Date.now)).toEqual([]);
  const { waiting } = await h.jobs.get(h.admin, job.id);
  expect(waiting).toMatchObject({ reason: "QUEUE_PAUSED", position: 1, estimatedStartTime: null });
  expect(waiting?.message).toContain("the disk is full");
  expect((await system.resume(h.admin)).pause).toEqual({ paused: false, reason: "" });
  expect(await h.leases.claim("w", 5, Date.now)).toHaveLength(1);
});

test("pausing twice changes nothing, and each change leaves one audit entry", async () => {
  await using h = await createHarness();
  const system = systemOf(h);
  await system.pause(h.admin, "first");
  expect((await system.pause(h.admin, "second")).pause.reason).toBe("first");
  await system.resume(h.admin);
  await system.resume(h.admin);
  const entries = await h.db.sql<{ action: string }[]>`select action from audit_logs order by id`;
  expect(entries.map(({ action }) => action)).toEqual(["queue.pause", "queue.resume"]);
});

test("a waiting job's place counts higher priorities, its owner's earlier jobs and the turns of other owners", async () => {
  await using h = await createHarness();
  const [other, third] = [h.caller(), h.caller()];
  await h.jobs.create(other, textRequest("high", { priority: "HIGH" }));
  for (let i = 0; i < 5; i++) await h.jobs.create(other, textRequest("theirs"));
  await h.jobs.create(third, textRequest("one"));
  await h.jobs.create(h.admin, textRequest("earlier"));
  const { job } = await h.jobs.create(h.admin, textRequest("mine"));
  const worker = { id: "w", host: "h", version: "v", pid: 1, concurrency: 3, running: 0, draining: false };
  await h.heartbeats.renew(worker, []);
  // One of higher priority, one of its own, two turns of one owner and one of the other.
  expect((await h.jobs.get(h.admin, job.id)).waiting).toMatchObject({ reason: "BEHIND_OTHERS", position: 6 });
});
