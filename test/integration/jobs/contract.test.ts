import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { CreateJobRequestSchema } from "../../../gen/sluice/v1/jobs_pb.ts";
import type { Json } from "../../../src/extract/model.ts";
import { jobRequestFromMessage } from "../../../src/jobs/convert.ts";
import { percentDone } from "../../../src/jobs/model.ts";
import { createHarness, textRequest, until } from "../../support/harness.ts";
import { claimOne, eventsOf } from "./steps.ts";

const nested = (depth: number): Json => (depth === 0 ? 1 : [nested(depth - 1)]);
const requestWith = (parameters: { [key: string]: Json }) =>
  jobRequestFromMessage(
    create(CreateJobRequestSchema, { source: { case: "text", value: "t" }, parameters: parameters as never }),
    Date.now(),
  );

test("parameters that a client could not read again are refused: too deep, too large, not finite", () => {
  expect(requestWith({ a: nested(15) }).parameters).toEqual({ a: nested(15) });
  expect(() => requestWith({ a: nested(16) })).toThrow("nested at most 16 deep");
  expect(() => requestWith({ a: "é".repeat(33_000) })).toThrow("at most 64 KiB");
  expect(() => requestWith({ a: Number.POSITIVE_INFINITY })).toThrow("not finite");
});

test("a job is at 100 percent only when it is completed", () => {
  const last = { stagesDone: 7, stagesTotal: 7, stageShare: 0 };
  expect(percentDone({ ...last, status: "PROCESSING" })).toBeLessThan(100);
  expect(percentDone({ ...last, status: "COMPLETED" })).toBe(100);
});

test("the reason of a cancel stands in the job's log, before the final event", async () => {
  await using h = await createHarness();
  const { job } = await h.jobs.create(h.admin, textRequest("t"));
  await h.jobs.cancel(h.admin, job.id, "ordered twice");
  expect(await eventsOf(h, job.id)).toMatchObject([
    { sequence: 1 },
    { sequence: 2, type: "log", payload: { message: "Cancelled: ordered twice" } },
    { sequence: 3, type: "status_changed", payload: { status: "CANCELLED" } },
  ]);
});

test("events tell when a scheduled job and a retry will run", async () => {
  await using h = await createHarness();
  const runTime = new Date(Date.now() + 3_600_000);
  const { job: later } = await h.jobs.create(h.admin, textRequest("t", { runTime }));
  const runTimeOf = async (id: string) =>
    new Date(String(((await eventsOf(h, id)).at(-1)?.payload as { runTime?: string } | undefined)?.runTime));
  expect(await runTimeOf(later.id)).toEqual(runTime);
  await h.jobs.create(h.admin, textRequest("now"));
  const claimed = await claimOne(h);
  const error = { reason: "STAGE_FAILED", message: "m", retryable: true };
  await h.leases.fail(claimed, { error, retryInMs: 60_000 });
  expect(await runTimeOf(claimed.job.id)).toEqual((await h.jobs.get(h.admin, claimed.job.id)).job.runTime);
});

test("start_time is that of the last attempt, and the last failure stays visible while the next attempt runs", async () => {
  await using h = await createHarness({ leaseMs: 1_000 });
  await h.jobs.create(h.admin, textRequest("t"));
  const first = await claimOne(h);
  const error = { reason: "STAGE_FAILED", message: "m", retryable: true };
  await h.leases.fail(first, { error, retryInMs: 0 });
  const second = await until(async () => (await h.leases.claim("w", 1, Date.now))[0], "the retry is claimed");
  expect(second.job.startTime?.getTime()).toBeGreaterThan(first.job.startTime?.getTime() ?? 0);
  expect(second.job.error).toMatchObject({ reason: "STAGE_FAILED" });
});
