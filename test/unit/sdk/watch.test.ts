import { Code } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { createSluice, type JobEvent, JobFailedError, type Sluice } from "../../../sdk/src/node.ts";
import { createSluice as createWebSluice } from "../../../sdk/src/web.ts";
import { failure, startServer } from "./server.ts";

async function sequences(events: AsyncIterable<JobEvent>): Promise<number[]> {
  const seen: number[] = [];
  for await (const { sequence } of events) seen.push(sequence);
  return seen;
}
const upTo = (n: number, from = 1) => Array.from({ length: n - from + 1 }, (_, i) => i + from);

const clients: [string, (url: string) => Sluice][] = [
  ["HTTP/2 in Node", (url) => createSluice({ url })],
  ["HTTP/1.1 in Node", (url) => createSluice({ url, httpVersion: "1.1" })],
  ["fetch, as in browsers", (url) => createWebSluice({ url })],
];

test.each(clients)(
  "a watch that is cut after every event has the sequence of an uncut one: %s",
  async (_, open) => {
    await using server = await startServer();
    using sluice = open(server.url);
    const { id } = await sluice.jobs.submit({ text: "hello" });
    const whole = await sequences(sluice.jobs.watch(id));
    expect(whole).toEqual(upTo(14));
    server.knobs.cutAfterEach = true;
    const reasons: string[] = [];
    const onReconnect = (error: { reason: string }) => reasons.push(error.reason);
    expect(await sequences(sluice.jobs.watch(id, { onReconnect }))).toEqual(whole);
    expect(reasons.length).toBeGreaterThanOrEqual(14);
    expect(new Set(reasons)).toEqual(new Set(["CONNECTION_LOST"]));
  },
  30_000,
);

test("a stream that something on the way ends early goes on where it was", async () => {
  await using server = await startServer({ endAfterEach: true });
  using sluice = createSluice({ url: server.url });
  const { id } = await sluice.jobs.submit({ text: "hello" });
  expect(await sequences(sluice.jobs.watch(id, { afterSequence: 5 }))).toEqual(upTo(14, 6));
});

test("a silent connection is given up and opened anew, and keep-alives are swallowed", async () => {
  await using server = await startServer({ silent: true, keepAlives: true });
  using sluice = createSluice({ url: server.url });
  const { id } = await sluice.jobs.submit({ text: "hello" });
  expect(await sequences(sluice.jobs.watch(id, { stallMs: 60 }))).toEqual(upTo(14));
});

test("leaving the loop ends the call on the server", async () => {
  await using server = await startServer({ hang: true });
  using sluice = createSluice({ url: server.url });
  const { id } = await sluice.jobs.submit({ text: "hello" });
  for await (const event of sluice.jobs.watch(id)) if (event.sequence === 2) break;
  await expect.poll(() => server.seen.aborted).toBe(1);
  for await (const message of sluice.jobs.watchJob({ id })) if (message.event?.sequence === 1) break;
  await expect.poll(() => server.seen.aborted).toBe(2);
});

test("a signal ends a waiting watch as CANCELLED, on the server too", async () => {
  await using server = await startServer({ hang: true });
  using sluice = createSluice({ url: server.url });
  const { id } = await sluice.jobs.submit({ text: "hello" });
  const controller = new AbortController();
  const seen: number[] = [];
  const watching = (async () => {
    for await (const { sequence } of sluice.jobs.watch(id, { signal: controller.signal })) {
      seen.push(sequence);
      if (sequence === 2) setTimeout(() => controller.abort(), 5);
    }
  })();
  await expect(watching).rejects.toMatchObject({ reason: "CANCELLED" });
  expect(seen).toEqual([1, 2]);
  await expect.poll(() => server.seen.aborted).toBe(1);
});

test("a refusal is not repeated, a stop of the server is", async () => {
  await using server = await startServer();
  using sluice = createSluice({ url: server.url });
  await expect(sequences(sluice.jobs.watch("unknown"))).rejects.toMatchObject({ reason: "JOB_NOT_FOUND" });
  expect(server.calls).toHaveLength(1);
  const { id } = await sluice.jobs.submit({ text: "hello" });
  server.knobs.failures = [failure(Code.Unavailable, "SHUTTING_DOWN", "Stops.", { retryAfterMs: 1 })];
  expect(await sequences(sluice.jobs.watch(id))).toEqual(upTo(14));
});

test("a server that stays away is given up after giveUpMs", async () => {
  const server = await startServer();
  using sluice = createSluice({ url: server.url });
  const { id } = await sluice.jobs.submit({ text: "hello" });
  await server.close();
  const watching = sequences(sluice.jobs.watch(id, { giveUpMs: 200 }));
  await expect(watching).rejects.toMatchObject({ code: "unavailable", reason: "UNREACHABLE" });
});

test("run waits and returns the result; a failed job is a JobFailedError with the job's own reason", async () => {
  await using server = await startServer();
  using sluice = createSluice({ url: server.url });
  const stages: string[] = [];
  const outcome = await sluice.jobs.run(
    { text: "hello" },
    { onEvent: ({ event }) => event.case === "stageStarted" && stages.push(event.value.name) },
  );
  expect(await outcome.text()).toBe("hello");
  expect(await outcome.download({ format: "markdown" }).text()).toBe("# hello");
  expect(stages).toEqual(["fetch", "detect", "extract", "chunk"]);
  const failed = await sluice.jobs.run({ text: "FAIL" }).catch((error: unknown) => error);
  expect(failed).toBeInstanceOf(JobFailedError);
  expect(failed).toMatchObject({ reason: "DOCUMENT_CORRUPT", job: { status: 6 } });
});
