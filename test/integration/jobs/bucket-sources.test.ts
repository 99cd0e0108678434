import { expect, test } from "vitest";
import { createHarness, type Harness, textRequest, until } from "../../support/harness.ts";
import { type S3Server, startS3 } from "../../support/s3.ts";
import { storeAt } from "../storage/stores.ts";
import { startTestWorker } from "../worker/worker-harness.ts";

const uriRequest = (uri: string) => textRequest("", { source: { kind: "uri", uri, filename: "" } });

async function ended(h: Harness, id: string) {
  return await until(async () => {
    const { job, document } = await h.jobs.get(h.admin, id);
    return ["COMPLETED", "FAILED"].includes(job.status) && { job, document };
  }, "the job has ended");
}

/** Opens the prefix `open` of the bucket `other-bucket`. */
const harnessOn = (s3: S3Server) =>
  createHarness({ s3Sources: [`other-bucket/open?endpoint=${s3.endpoint}`] });

const bucketOf = (s3: S3Server) => storeAt(`s3://other-bucket?endpoint=${s3.endpoint}`);

test("a document in a bucket that was opened is fetched once, and kept", async () => {
  await using s3 = await startS3();
  await using h = await harnessOn(s3);
  const text = "words and more words ".repeat(3_500);
  await bucketOf(s3).put("open/notes/large.txt", Buffer.from(text), { mediaType: "text/plain" });
  const { job } = await h.jobs.create(h.admin, uriRequest("s3://other-bucket/open/notes/large.txt"));
  await using _w = await startTestWorker(h);
  const done = await ended(h, job.id);
  expect(done.job).toMatchObject({ status: "COMPLETED", attempt: 1 });
  expect(done.document).toMatchObject({
    filename: "large.txt",
    mediaType: "text/plain",
    sizeBytes: text.length,
    uri: "s3://other-bucket/open/notes/large.txt",
  });
  await bucketOf(s3).delete("open/notes/large.txt");
  const source = { kind: "document" as const, documentId: job.documentId };
  const again = await h.jobs.create(h.admin, textRequest("", { source }));
  expect((await ended(h, again.job.id)).job.status).toBe("COMPLETED");
});

test("what was not opened is refused when the job is created, what is missing, too large or refused fails the job", async () => {
  await using s3 = await startS3();
  await using h = await harnessOn(s3);
  for (const uri of [
    "s3://other-bucket/closed/a",
    "s3://sluice-test/a",
    "s3://other-bucket/open/..%2fclosed/a",
  ]) {
    await expect(h.jobs.create(h.admin, uriRequest(uri))).rejects.toMatchObject({
      reason: "EGRESS_DENIED",
      kind: "invalid_argument",
    });
  }
  await expect(h.jobs.create(h.admin, uriRequest("s3://[/a"))).rejects.toMatchObject({
    reason: "INVALID_REQUEST",
    kind: "invalid_argument",
  });
  await bucketOf(s3).put("open/large", Buffer.alloc(3_000_000, 97));
  await bucketOf(s3).put("open/empty", Buffer.alloc(0));
  await h.db
    .sql`update pipeline_versions set config = jsonb_set(config, '{stages,0,options}', '{"max_bytes": 2000000}')`;
  await using _w = await startTestWorker(h);
  const failureOf = async (key: string) => {
    const { job } = await h.jobs.create(h.admin, uriRequest(`s3://other-bucket/open/${key}`));
    return (await ended(h, job.id)).job;
  };
  expect(await failureOf("missing")).toMatchObject({
    attempt: 1,
    error: { reason: "SOURCE_UNREACHABLE", retryable: false, message: expect.stringContaining("status 404") },
  });
  expect((await failureOf("large")).error).toMatchObject({ reason: "DOCUMENT_TOO_LARGE", retryable: false });
  expect((await failureOf("empty")).error).toMatchObject({ reason: "DOCUMENT_EMPTY", retryable: false });
  s3.refuseAll(true);
  const refused = await failureOf("large");
  expect(refused.error).toMatchObject({ reason: "SOURCE_UNREACHABLE", retryable: false });
  // Where the bucket is and with which key it is read is no caller's business.
  expect(refused.error?.message).not.toMatch(/127\.0\.0\.1|S3RVER/);
});

test("a bucket that is away fails the attempt, which may be made again", async () => {
  await using s3 = await startS3();
  await using h = await harnessOn(s3);
  await s3[Symbol.asyncDispose]();
  const { id } = (await h.jobs.create(h.admin, uriRequest("s3://other-bucket/open/a"))).document ?? {
    id: "",
  };
  const fetching = h.remote.fetch(id, AbortSignal.timeout(20_000));
  await expect(fetching).rejects.toMatchObject({
    reason: "SOURCE_UNREACHABLE",
    kind: "unavailable",
    message: expect.not.stringContaining("127.0.0.1"),
  });
});
