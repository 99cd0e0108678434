import { createHash } from "node:crypto";
import { create, fromBinary, fromJson, type JsonValue, toBinary, toJson } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { type JobEvent, JobEventSchema, JobStatus } from "@sluice/sdk";
import { expect, test } from "vitest";
import { WatchJobRequestSchema, WatchJobResponseSchema } from "../../gen/sluice/v1/jobs_pb.ts";
import { createSite, longText, type Program, type Site } from "../support/processes.ts";
import { until } from "../support/until.ts";

/** Events of a job after a sequence, from one connection that is cut after `count` of them. */
type Look = (id: string, afterSequence: number, count: number) => Promise<JobEvent[]>;

function overGrpc(site: Site): Look {
  return (id, afterSequence, count) =>
    new Promise((resolve, reject) => {
      const client = new grpc.Client(`127.0.0.1:${site.port}`, grpc.credentials.createInsecure());
      const metadata = new grpc.Metadata();
      metadata.set("authorization", `Bearer ${site.apiKey()}`);
      const events: JobEvent[] = [];
      const done = () => {
        client.close();
        resolve(events);
      };
      const call = client.makeServerStreamRequest(
        "/sluice.v1.JobsService/WatchJob",
        (request: Uint8Array) => Buffer.from(request),
        (bytes: Buffer) => fromBinary(WatchJobResponseSchema, bytes),
        toBinary(WatchJobRequestSchema, create(WatchJobRequestSchema, { id, afterSequence })),
        metadata,
      );
      call.on("data", ({ event }: { event?: JobEvent }) => {
        if (!event || events.length >= count) return;
        events.push(event);
        if (events.length === count) call.cancel();
      });
      call.on("end", done);
      call.on("error", (error: grpc.ServiceError) => {
        if (error.code === grpc.status.CANCELLED) done();
        else reject(error);
      });
    });
}

function overJson(site: Site): Look {
  return async (id, afterSequence, count) => {
    const json = Buffer.from(JSON.stringify({ id, afterSequence }));
    const envelope = Buffer.concat([Buffer.alloc(5), json]);
    envelope.writeUInt32BE(json.length, 1);
    const response = await fetch(`${site.url}/sluice.v1.JobsService/WatchJob`, {
      method: "POST",
      headers: { "content-type": "application/connect+json", authorization: `Bearer ${site.apiKey()}` },
      body: envelope,
    });
    expect(response.status).toBe(200);
    if (!response.body) throw new Error("an answer without a body");
    const events: JobEvent[] = [];
    for await (const { isEnd, value } of envelopesOf(response.body)) {
      if (isEnd) {
        expect(value).toEqual({});
        return events;
      }
      if (value.event === undefined) continue;
      events.push(fromJson(JobEventSchema, value.event));
      // Leaving the loop cancels the body, which cuts the connection.
      if (events.length === count) return events;
    }
    throw new Error("the stream ended without its last message");
  };
}

/** The messages of a Connect stream: each has a byte of flags and its length in front. */
async function* envelopesOf(body: AsyncIterable<Uint8Array>) {
  let held = Buffer.alloc(0);
  for await (const piece of body) {
    held = Buffer.concat([held, piece]);
    while (held.length >= 5 && held.length >= 5 + held.readUInt32BE(1)) {
      const end = 5 + held.readUInt32BE(1);
      const value = JSON.parse(held.toString("utf8", 5, end)) as { [key: string]: JsonValue };
      yield { isEnd: held[0] === 2, value };
      held = held.subarray(end);
    }
  }
}

const asJson = (events: readonly JobEvent[]): JsonValue[] =>
  events.map((event) => toJson(JobEventSchema, event));

/** The whole sequence, one event a connection. */
async function cutAfterEveryEvent(look: Look, id: string): Promise<JobEvent[]> {
  const all: JobEvent[] = [];
  for (;;) {
    const [event] = await look(id, all.at(-1)?.sequence ?? 0, 1);
    if (!event) return all;
    all.push(event);
  }
}

function expectWholeSequence(events: readonly JobEvent[]): void {
  expect(events.length).toBeGreaterThan(12);
  expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
  const last = events.at(-1)?.event;
  expect(last?.case === "statusChanged" && last.value.status).toBe(JobStatus.COMPLETED);
}

test.each([
  ["gRPC", overGrpc],
  ["JSON over HTTP/1.1", overJson],
])(
  "a watch over %s that is cut after every event and resumed gives what an uncut one gives",
  async (_, over) => {
    await using site = await createSite();
    await site.serve();
    const look = over(site);
    const { id } = await site.client().jobs.submit({ text: longText(500_000) });
    // Both follow the job while it runs, and once more when it has ended.
    const [uncut, cut] = await Promise.all([
      look(id, 0, Number.POSITIVE_INFINITY),
      cutAfterEveryEvent(look, id),
    ]);
    expectWholeSequence(uncut);
    expect(asJson(cut)).toEqual(asJson(uncut));
    expect(asJson(await cutAfterEveryEvent(look, id))).toEqual(asJson(uncut));
    expect(asJson(await look(id, uncut.length - 1, Number.POSITIVE_INFINITY))).toEqual(
      asJson(uncut).slice(-1),
    );
  },
);

test("the SDK's watch goes on by itself through a server that is killed and one that is stopped", async () => {
  await using site = await createSite({ env: { SLUICE_LEASE_MS: "1500", SLUICE_GRACE_MS: "200" } });
  let server: Program = await site.serve();
  const client = site.client();
  const text = longText(1_000_000);
  const { id } = await client.jobs.submit({ text });
  const seen: JobEvent[] = [];
  const lost: string[] = [];
  const signals: NodeJS.Signals[] = ["SIGKILL", "SIGTERM"];
  let restart = Promise.resolve();
  const replace = async (signal: NodeJS.Signals): Promise<void> => {
    server.kill(signal);
    expect(await server.exit()).toBe(signal === "SIGKILL" ? 137 : 0);
    server = await site.serve();
  };
  for await (const event of client.jobs.watch(id, { onReconnect: ({ code }) => lost.push(code) })) {
    seen.push(event);
    const begins = event.event.case === "stageStarted" ? event.event.value.name : "";
    if ((begins === "enrich" && signals.length === 2) || (begins === "chunk" && signals.length === 1)) {
      const signal = signals.shift() ?? "SIGTERM";
      restart = restart.then(() => replace(signal));
    }
  }
  await restart;
  expect(signals).toEqual([]);
  expect(lost.length).toBeGreaterThanOrEqual(2);
  expect(new Set(lost)).toEqual(new Set(["unavailable"]));
  expectWholeSequence(seen);
  const afterwards: JobEvent[] = [];
  for await (const event of client.jobs.watch(id)) afterwards.push(event);
  expect(asJson(seen)).toEqual(asJson(afterwards));
  const sha256 = createHash("sha256")
    .update(await client.jobs.download(id).text())
    .digest("hex");
  expect((await client.jobs.result(id)).sha256).toBe(sha256);
});

test("a watch of all jobs tells what the watches of each tell", async () => {
  await using site = await createSite();
  await site.serve();
  const { jobs } = site.client();
  const stop = new AbortController();
  const told = new Map<string, JobEvent[]>();
  const following = (async () => {
    for await (const event of jobs.watchAll({ labels: { a: "1" } }, { signal: stop.signal }))
      told.set(event.jobId, [...(told.get(event.jobId) ?? []), event]);
  })().catch((error: unknown) => error);
  // Follows from some moment on: jobs that are created after the first that is told are told whole.
  const submit = async () => (await jobs.submit({ text: "a text" }, { labels: { a: "1" } })).id;
  await until(async () => {
    await submit();
    return told.size > 0;
  }, "the watch follows");
  const ids = await Promise.all([submit(), submit(), submit()]);
  const other = await jobs.submit({ text: "a text" });
  for (const id of [...ids, other.id]) await jobs.wait(id);
  for (const id of ids) {
    const own: JobEvent[] = [];
    for await (const event of jobs.watch(id)) own.push(event);
    await until(async () => told.get(id)?.length === own.length, "all its events are told");
    expect(asJson(told.get(id) ?? [])).toEqual(asJson(own));
  }
  expect(told.has(other.id)).toBe(false);
  stop.abort();
  await following;
});
