import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readSeeds, type Seed } from "../../fuzz/seeds.ts";
import { type DocumentHost, startDocumentHost } from "../../support/document-host.ts";

/** The first document of each format. */
const DOCUMENTS: readonly Seed[] = [...Map.groupBy(readSeeds(), ({ format }) => format).values()].flatMap(
  ([first]) => first ?? [],
);

let host: DocumentHost;
beforeAll(async () => {
  host = await startDocumentHost({ size: 2, timeoutMs: 60_000 });
});
afterAll(() => host[Symbol.asyncDispose]());

let count = 0;
function put(bytes: Uint8Array): string {
  const path = join(host.folder, `in-${count++}`);
  writeFileSync(path, bytes);
  return path;
}

/** What becomes of a document, as one value; a fault counts by its reason and its words. */
async function resultOf({ name, bytes }: Seed): Promise<unknown> {
  const path = put(bytes);
  return await host.read({ path, filename: name }).then(
    ({ text, markdown, document }) => ({ text, markdown, document }),
    ({ reason, message }: { reason?: string; message: string }) => ({ reason, message }),
  );
}

async function scoreOf(name: string, bytes: Uint8Array): Promise<number> {
  const path = put(bytes);
  return await host.digest({ path, filename: name }).then(
    ({ qualityScore }) => qualityScore ?? 0,
    () => 0,
  );
}

test("extraction is deterministic: two processes make the same of a document, whatever they have read before", async () => {
  const [first, second] = await Promise.all([
    resultsOf(DOCUMENTS),
    resultsOf([...DOCUMENTS].reverse()).then((results) => results.reverse()),
  ]);
  expect(first).toEqual(second);
  expect(first.filter((result) => (result as { text?: string }).text)).not.toEqual([]);
}, 120_000);

test("corrupting the bytes of a document never raises its quality score", async () => {
  const scores = new Map<string, number>();
  for (const { name, bytes } of DOCUMENTS) scores.set(name, await scoreOf(name, bytes));
  const readable = DOCUMENTS.filter(({ name }) => (scores.get(name) ?? 0) > 0);
  expect(readable.length).toBeGreaterThan(15);
  const damage = fc.array(fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(255)), {
    minLength: 1,
    maxLength: 30,
  });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...readable), damage, async ({ name, bytes }, places) => {
      const copy = Buffer.from(bytes);
      for (const [at, value] of places) copy[Math.floor(at * copy.length)] = value;
      expect(await scoreOf(name, copy)).toBeLessThanOrEqual(scores.get(name) ?? 0);
    }),
    { numRuns: 30 },
  );
}, 120_000);

async function resultsOf(documents: readonly Seed[]): Promise<unknown[]> {
  const results: unknown[] = [];
  for (const document of documents) results.push(await resultOf(document));
  return results;
}
