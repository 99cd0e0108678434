import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { documentBreaches } from "../../../src/doctor/job-queries.ts";
import { createHarness, type Harness, textRequest, until } from "../../support/harness.ts";
import { startTestWorker } from "../worker/worker-harness.ts";

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const uriRequest = (uri: string, filename = "") =>
  textRequest("", { source: { kind: "uri", uri, filename } });

async function ended(h: Harness, id: string) {
  return await until(async () => {
    const { job, document, stages } = await h.jobs.get(h.admin, id);
    return ["COMPLETED", "FAILED"].includes(job.status) && { job, document, stages };
  }, "the job has ended");
}

test("a document is fetched by its address, named by it, kept, and its address is shown without its query", async () => {
  await using h = await createHarness();
  let calls = 0;
  const url = await serve((_, response) => {
    calls++;
    response.writeHead(200, { "content-type": "text/markdown; charset=utf-8" }).end("# Fetched\n\nwords");
  });
  const { job, document } = await h.jobs.create(
    h.admin,
    uriRequest(`${url}/notes/read%20me.md?token=secret`),
  );
  expect(document).toMatchObject({ source: "URI", sha256: null, uri: `${url}/notes/read%20me.md` });
  await using _w = await startTestWorker(h);
  const done = await ended(h, job.id);
  expect(done.job.status).toBe("COMPLETED");
  expect(done.document).toMatchObject({
    filename: "read me.md",
    mediaType: "text/markdown",
    sizeBytes: 16,
    sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
  expect((await h.jobs.result(h.admin, job.id)).result.extractedText).toContain("Fetched");
  // Another job on the same document needs no second call.
  const again = await h.jobs.create(
    h.admin,
    textRequest("", { source: { kind: "document", documentId: job.documentId } }),
  );
  expect((await ended(h, again.job.id)).job.status).toBe("COMPLETED");
  expect(calls).toBe(1);
  const [row] = await h.db.sql<
    { text: string }[]
  >`select d::text as text from documents d where id = ${job.documentId}`;
  expect(row?.text).not.toContain("secret");
});

test("a large document goes to the object store, and away with its job", async () => {
  await using h = await createHarness();
  const text = "words and more words ".repeat(10_000);
  const url = await serve((_, response) => response.end(text));
  const { job } = await h.jobs.create(h.admin, uriRequest(`${url}/large.txt`));
  await using _w = await startTestWorker(h);
  expect((await ended(h, job.id)).job.status).toBe("COMPLETED");
  const [row] = await h.db.sql<
    { key: string }[]
  >`select object_key as key from documents where id = ${job.documentId}`;
  expect((await h.store.head(row?.key ?? ""))?.size).toBe(text.length);
  await h.jobs.delete(h.admin, job.id);
  expect(await h.store.head(row?.key ?? "")).toBeNull();
});

test("a job of a document that nobody has fetched yet has it fetched, and the doctor finds no fault in one that waits", async () => {
  await using h = await createHarness();
  const url = await serve((_, response) => response.end("fetched in the end"));
  const first = await h.jobs.create(h.admin, uriRequest(`${url}/late.txt`));
  expect(await documentBreaches(h.db.sql, [first.job.id])).toEqual([]);
  await h.jobs.cancel(h.admin, first.job.id, "");
  const source = { kind: "document" as const, documentId: first.job.documentId };
  const { job } = await h.jobs.create(h.admin, textRequest("", { source }));
  await using _w = await startTestWorker(h);
  expect((await ended(h, job.id)).job.status).toBe("COMPLETED");
  // Once it was fetched, its bytes must be there.
  await h.db.sql`update documents set content = null where id = ${job.documentId}`;
  expect(await documentBreaches(h.db.sql, [job.id])).toHaveLength(1);
});

test("a source that answers with an error that passes is asked again, one that refuses is not", async () => {
  await using h = await createHarness();
  let calls = 0;
  const url = await serve((request, response) => {
    if (request.url?.startsWith("/gone")) response.writeHead(410).end();
    else response.writeHead(calls++ === 0 ? 503 : 200).end("there at last");
  });
  const [busy, gone] = [
    await h.jobs.create(h.admin, uriRequest(`${url}/busy`)),
    await h.jobs.create(h.admin, uriRequest(`${url}/gone?key=secret`)),
  ];
  await using _w = await startTestWorker(h);
  expect((await ended(h, busy.job.id)).job).toMatchObject({ status: "COMPLETED", attempt: 2 });
  const refused = await ended(h, gone.job.id);
  expect(refused.job).toMatchObject({
    status: "FAILED",
    attempt: 1,
    error: { reason: "SOURCE_UNREACHABLE", retryable: false, stage: "fetch" },
  });
  expect(refused.job.error?.message).toContain("410");
  expect(JSON.stringify(refused)).not.toContain("secret");
  expect(refused.stages[0]).toMatchObject({ name: "fetch", status: "FAILED" });
});

test("an address that the server may not call is refused at once, and a redirect to one fails the job for good", async () => {
  await using h = await createHarness();
  await expect(h.jobs.create(h.admin, uriRequest("https://10.0.0.1/x"))).rejects.toMatchObject({
    reason: "EGRESS_DENIED",
  });
  const url = await serve((_, response) =>
    response.writeHead(302, { location: "http://169.254.169.254/latest/meta-data/" }).end(),
  );
  const { job } = await h.jobs.create(h.admin, uriRequest(`${url}/`));
  await using _w = await startTestWorker(h);
  expect((await ended(h, job.id)).job).toMatchObject({
    status: "FAILED",
    attempt: 1,
    error: { reason: "EGRESS_DENIED", retryable: false },
  });
});

test("a source larger than what is allowed is cut off, and fails the job as too large", async () => {
  await using h = await createHarness();
  let sent = 0;
  const url = await serve((_, response) => {
    const chunk = Buffer.alloc(1024 * 1024, 97);
    const more = (): void => {
      while (!response.destroyed) {
        sent += chunk.length;
        if (!response.write(chunk)) break;
      }
    };
    response.on("drain", more);
    more();
  });
  const { job } = await h.jobs.create(h.admin, uriRequest(`${url}/endless`));
  await h.db
    .sql`update pipeline_versions set config = jsonb_set(config, '{stages,0,options}', '{"max_bytes": 2000000}')`;
  await using _w = await startTestWorker(h);
  expect((await ended(h, job.id)).job.error).toMatchObject({
    reason: "DOCUMENT_TOO_LARGE",
    retryable: false,
  });
  expect(sent).toBeLessThan(64 * 1024 * 1024);
});

test("two creates with one request id and the same address are one job, with another address a fault", async () => {
  await using h = await createHarness();
  const request = (uri: string) => ({ ...uriRequest(uri), requestId: "once" });
  const first = await h.jobs.create(h.admin, request("https://example.com/a?x=1"));
  expect((await h.jobs.create(h.admin, request("https://example.com/a?x=1"))).job.id).toBe(first.job.id);
  await expect(h.jobs.create(h.admin, request("https://example.com/a?x=2"))).rejects.toMatchObject({
    reason: "REQUEST_ID_REUSED",
  });
});
