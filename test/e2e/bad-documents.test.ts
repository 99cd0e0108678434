import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { JobFailedError, SluiceError } from "@sluice/sdk";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { createSite, ROOT, type Site, writeInto } from "../support/processes.ts";

const fixture = (name: string): Buffer => readFileSync(join(ROOT, "test/fixtures", name));

let site: Site;

beforeAll(async () => {
  site = await createSite();
  await site.serve();
});

afterAll(() => site[Symbol.asyncDispose]());

// Whatever came before, the server goes on.
afterEach(async () => {
  const outcome = await site.client().jobs.run({ text: "All is well." });
  expect((await outcome.text()).trim()).toBe("All is well.");
  expect((await fetch(`${site.url}/health`)).status).toBe(200);
});

async function failureOf(data: Uint8Array, filename: string, password?: string): Promise<SluiceError> {
  try {
    await site.client().jobs.run({ data, filename }, { password });
  } catch (error) {
    if (error instanceof SluiceError) return error;
    throw error;
  }
  throw new Error(`${filename} was read`);
}

/** Refused for a reason that the document gave: at once, and in words for the one who sent it. */
function expectFault(error: SluiceError, reason: string, message: RegExp): void {
  expect(error).toBeInstanceOf(JobFailedError);
  const { job } = error as JobFailedError;
  expect({ reason: job.error?.reason, retryable: job.error?.retryable, attempt: job.attempt }).toEqual({
    reason,
    retryable: false,
    attempt: 1,
  });
  expect(job.error?.message).toMatch(message);
  expect(job.error?.message).toMatch(/^[A-Z].*[.…]$/s);
  expect(job.error?.message).not.toMatch(/\bat .*:\d+|node_modules|\/tmp\/|undefined|\[object/);
  expect(job.error?.stage).not.toBe("");
}

/** A ZIP archive of one stored member. */
function zipOf(name: string, text: string): Buffer {
  const data = Buffer.from(text);
  const common = Buffer.alloc(26);
  common.writeUInt16LE(20, 0);
  common.writeUInt32LE(crc32(data), 10);
  common.writeUInt32LE(data.length, 14);
  common.writeUInt32LE(data.length, 18);
  common.writeUInt16LE(name.length, 22);
  const local = Buffer.concat([Buffer.from("PK\x03\x04"), common, Buffer.from(name), data]);
  const central = Buffer.concat([
    Buffer.from("PK\x01\x02\x14\x00"),
    common,
    Buffer.alloc(14),
    Buffer.from(name),
  ]);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(local.length, 16);
  return Buffer.concat([local, central, end]);
}

test("a PDF that was cut off is corrupt", async () => {
  const whole = fixture("corpus/table_mislabeled_as_picture.pdf");
  for (const share of [0.02, 0.5]) {
    const error = await failureOf(whole.subarray(0, Math.floor(whole.length * share)), "cut.pdf");
    expectFault(error, "DOCUMENT_CORRUPT", /PDF|document/);
  }
});

test("an encrypted PDF wants its password, refuses a wrong one, and is read with the right one", async () => {
  const pdf = fixture("pdf/encrypted.pdf");
  expectFault(await failureOf(pdf, "locked.pdf"), "DOCUMENT_ENCRYPTED", /password/);
  expectFault(await failureOf(pdf, "locked.pdf", "wrong"), "DOCUMENT_ENCRYPTED", /password/);
  const { result, job } = await site
    .client()
    .jobs.run({ data: pdf, filename: "locked.pdf" }, { password: "opensesame" });
  expect(result.extractedText.trim()).not.toBe("");
  expect(
    JSON.stringify(job, (_, value) => (typeof value === "bigint" ? String(value) : value)),
  ).not.toContain("opensesame");
});

test("a ZIP that is called .pdf is taken for what it is", async () => {
  const error = await failureOf(zipOf("notes.bin", "\u0000\u0001not a document"), "report.pdf");
  expectFault(error, "UNSUPPORTED_MEDIA_TYPE", /zip/i);
});

test("random bytes are no document, whatever they are called", async () => {
  const bytes = createHash("shake256", { outputLength: 50_000 }).update("seed").digest();
  for (const name of ["noise", "noise.docx", "noise.txt"]) {
    expectFault(await failureOf(bytes, name), "UNSUPPORTED_MEDIA_TYPE", /./);
  }
  const pdf = Buffer.concat([Buffer.from("%PDF-1.7\n"), randomBytes(20_000)]);
  expectFault(await failureOf(pdf, "noise.pdf"), "DOCUMENT_CORRUPT", /./);
});

test("0 bytes are refused at the upload, by every way of sending", async () => {
  const client = site.client();
  const empty = {
    code: "invalid_argument",
    reason: "DOCUMENT_EMPTY",
    message: expect.stringContaining("0 bytes"),
  };
  await expect(
    client.documents.upload({ data: new Uint8Array(), filename: "empty.pdf" }),
  ).rejects.toMatchObject(empty);

  const { documentId, uploadUrl, headers } = await client.jobs.createUpload({ filename: "empty.pdf" });
  const put = await fetch(uploadUrl, { method: "PUT", headers, body: "" });
  expect(Math.floor(put.status / 100)).toBe(4);
  expect(await put.text()).toContain("DOCUMENT_EMPTY");
  await expect(
    client.jobs.createJob({ source: { case: "documentId", value: documentId } }),
  ).rejects.toMatchObject({
    code: "failed_precondition",
  });

  const value = { data: new Uint8Array(), filename: "empty.pdf", mediaType: "" };
  await expect(client.jobs.createJob({ source: { case: "inline", value } })).rejects.toMatchObject({
    code: "invalid_argument",
    fields: [{ field: "inline.data", description: expect.any(String) }],
  });

  const { code, stderr } = await site.run("submit", writeInto(site, "empty.pdf", ""), "--wait");
  expect(code).toBe(1);
  expect(stderr).toMatch(/empty\.pdf: it is empty/);
});

test("one bad file of several fails alone on the command line, and the exit code tells", async () => {
  const good = writeInto(site, "good.txt", "A good document.");
  const bad = writeInto(site, "bad.pdf", "%PDF-1.7\nbroken");
  const { code, stdout, stderr } = await site.run("submit", bad, good, "--wait", "--json");
  expect(code).toBe(1);
  expect(stderr).toMatch(/bad\.pdf: DOCUMENT_CORRUPT: /);
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { type: string });
  expect(lines.filter(({ type }) => type === "result")).toMatchObject([
    { file: bad, status: "FAILED", error: { reason: "DOCUMENT_CORRUPT" } },
    { file: good, status: "COMPLETED", result: { extractedText: "A good document." } },
  ]);
});
