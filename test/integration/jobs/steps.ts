/** Steps that the tests of this room share. */
import { createHash } from "node:crypto";
import type { LoggedEvent } from "../../../src/events/model.ts";
import { readEvents } from "../../../src/events/queries.ts";
import type { ClaimedJob, Completion } from "../../../src/jobs/leases.ts";
import { type Caller, everybody } from "../../../src/lib/caller.ts";
import { type Harness, textRequest } from "../../support/harness.ts";

export const sha256 = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("hex");

/** The least that a completed attempt leaves. */
export function resultOf(text: string): Completion {
  const facts = { sizeBytes: Buffer.byteLength(text), sha256: sha256(text) };
  return {
    extractedText: text,
    metadata: {},
    qualityScore: null,
    outputUri: null,
    ...facts,
    contents: [{ format: "TEXT", content: null, objectKey: null, ...facts }],
  };
}

export const failureOf = (retryable: boolean) => ({ reason: "STAGE_FAILED", message: "failed", retryable });

export async function createJob(h: Harness, caller: Caller = h.admin, text = "a text"): Promise<string> {
  const { job } = await h.jobs.create(caller, textRequest(text));
  return job.id;
}

export async function claimOne(h: Harness, workerId = "w"): Promise<ClaimedJob> {
  const [claimed] = await h.leases.claim(workerId, 1, Date.now);
  if (!claimed) throw new Error("nothing to claim");
  return claimed;
}

/** Creates, claims and completes a job. */
export async function completedJob(
  h: Harness,
  caller: Caller = h.admin,
  result = resultOf("done"),
): Promise<string> {
  const id = await createJob(h, caller);
  if (!(await h.leases.complete(await claimOne(h), result))) throw new Error("not completed");
  return id;
}

/** Creates, claims and fails a job for good. */
export async function failedJob(h: Harness, caller: Caller = h.admin): Promise<string> {
  const id = await createJob(h, caller);
  await h.leases.fail(await claimOne(h), { error: failureOf(false), retryInMs: null });
  return id;
}

export async function eventsOf(h: Harness, id: string): Promise<LoggedEvent[]> {
  return await readEvents(h.db.scoped(everybody("a test")), id, 0, 10_000);
}

export async function statusesOf(h: Harness, id: string): Promise<string[]> {
  return (await eventsOf(h, id))
    .filter(({ type }) => type === "status_changed")
    .map(({ payload }) => (payload as { status: string }).status);
}

export async function auditOf(h: Harness, resourceId: string): Promise<string[]> {
  const rows = await h.db.sql<{ action: string }[]>`
    select action from audit_logs where resource_id = ${resourceId} order by id`;
  return rows.map(({ action }) => action);
}

export async function countOf(h: Harness, table: string): Promise<number> {
  const [row] = await h.db.sql<{ count: number }[]>`select count(*)::int as count from ${h.db.sql(table)}`;
  return row?.count ?? 0;
}

export async function bytesOf(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The value, or the throw, of what ran. */
export async function outcomeOf<T>(work: Promise<T>): Promise<T | Error> {
  try {
    return await work;
  } catch (error) {
    return error as Error;
  }
}
