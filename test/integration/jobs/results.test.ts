import { expect, test } from "vitest";
import { ResultExpiredError, ResultNotReadyError } from "../../../src/jobs/errors.ts";
import type { Completion } from "../../../src/jobs/leases.ts";
import type { ResultFormat } from "../../../src/jobs/model.ts";
import { createHarness, type Harness } from "../../support/harness.ts";
import { bytesOf, claimOne, completedJob, createJob, failedJob, resultOf, sha256 } from "./steps.ts";

const signal = AbortSignal.timeout(60_000);

async function download(
  h: Harness,
  id: string,
  offset: number,
  format: ResultFormat = "TEXT",
): Promise<Buffer> {
  const { body } = await h.jobs.download(h.admin, id, format, offset, signal);
  return await bytesOf(body);
}

async function largeResult(h: Harness, text: string): Promise<Completion> {
  const key = "results/job/text.txt";
  const stored = await h.store.put(key, Buffer.from(text));
  const facts = { sizeBytes: stored.size, sha256: stored.sha256 };
  return {
    ...resultOf(""),
    ...facts,
    extractedText: null,
    outputUri: h.store.uriOf(key),
    contents: [{ format: "TEXT", content: null, objectKey: key, ...facts }],
  };
}

test("a job that is not completed has no result, and the answer says what to do", async () => {
  await using h = await createHarness();
  const waiting = await createJob(h);
  await expect(h.jobs.result(h.admin, waiting)).rejects.toThrow(/CREATED.*WatchJob/);
  await claimOne(h);
  const failed = await failedJob(h);
  await expect(h.jobs.result(h.admin, failed)).rejects.toThrow(/FAILED.*RetryJob/);
  await expect(h.jobs.download(h.admin, failed, "TEXT", 0, signal)).rejects.toThrow(ResultNotReadyError);
});

test("a small result comes inline, and every offset of its bytes by download", async () => {
  await using h = await createHarness();
  const text = "tränen 😀 ".repeat(40_000);
  const id = await completedJob(h, h.admin, resultOf(text));
  const { result, download: link } = await h.jobs.result(h.admin, id);
  expect(result).toMatchObject({
    extractedText: text,
    sha256: sha256(text),
    outputUri: null,
    qualityScore: null,
  });
  expect(link).toBeNull();
  const bytes = Buffer.from(text);
  for (const offset of [0, 1, 2, 262_143, 262_144, bytes.length - 1, bytes.length]) {
    expect(Buffer.compare(await download(h, id, offset), bytes.subarray(offset))).toBe(0);
  }
});

test("a result over 1 MiB comes by a link and by download from any offset, the same bytes", async () => {
  await using h = await createHarness();
  const text = Array.from({ length: 300_000 }, (_, i) => `${i} `).join("");
  const bytes = Buffer.from(text);
  const id = await completedJob(h, h.admin, await largeResult(h, text));
  const { result, download: link } = await h.jobs.result(h.admin, id);
  expect(result).toMatchObject({ extractedText: null, sizeBytes: bytes.length, sha256: sha256(bytes) });
  expect(result.outputUri).toContain("results/job/text.txt");
  expect(link?.url).toContain("results/job/text.txt");
  expect(link?.expireTime.getTime()).toBeGreaterThan(Date.now());
  expect(sha256(await download(h, id, 0))).toBe(result.sha256);
  for (const offset of [1, 1_000_000, bytes.length - 1, bytes.length]) {
    expect(Buffer.compare(await download(h, id, offset), bytes.subarray(offset))).toBe(0);
  }
});

test("a format that is not there, and a result whose rows were removed, have expired", async () => {
  await using h = await createHarness();
  const id = await completedJob(h);
  await expect(h.jobs.download(h.admin, id, "MARKDOWN", 0, signal)).rejects.toThrow(ResultExpiredError);
  await h.db.sql`delete from job_results where job_id = ${id}`;
  await expect(h.jobs.result(h.admin, id)).rejects.toThrow(ResultExpiredError);
});
