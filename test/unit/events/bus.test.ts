import { expect, test } from "vitest";
import { createEventBus } from "../../../src/events/bus.ts";
import type { BusTransport } from "../../../src/events/transport.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";

const turn = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve));

/** Processes that hear each other, as over one channel. */
function channel() {
  const subscribers: { onPayload(payload: string): void; onReady(): void }[] = [];
  const statements: (readonly string[])[] = [];
  const state = { broken: false };
  const transport = (): BusTransport => ({
    async publish(payloads) {
      if (state.broken) throw new Error("away");
      statements.push(payloads);
      for (const payload of payloads) for (const { onPayload } of subscribers) onPayload(payload);
    },
    async subscribe(onPayload, onReady) {
      subscribers.push({ onPayload, onReady });
    },
    async check() {},
    async close() {},
  });
  const join = async (processId: string) => {
    const bus = createEventBus({ transport: transport(), processId, logger: createLogger("silent") });
    await bus.start();
    return bus;
  };
  return { join, statements, subscribers, state };
}

test("an announcement reaches this process at once and the others soon, each once", async () => {
  const { join } = channel();
  const [here, there] = [await join("a"), await join("b")];
  const heard: string[] = [];
  here.onId("events", "1", () => heard.push("here"));
  there.onId("events", "1", () => heard.push("there"));
  there.onId("work", "1", () => heard.push("other topic"));
  there.onId("events", "2", () => heard.push("other id"));
  here.announce("events", ["1"]);
  expect(heard).toEqual(["here"]);
  await turn();
  expect(heard).toEqual(["here", "there"]);
});

test("what one turn announces goes in one statement, in payloads that Postgres takes", async () => {
  const { join, statements } = channel();
  const bus = await join("a");
  const ids = Array.from(
    { length: 1_000 },
    (_, i) => `00000000-0000-7000-8000-${String(i).padStart(12, "0")}`,
  );
  for (const id of ids) bus.announce("events", [id]);
  await turn();
  expect(statements).toHaveLength(1);
  const payloads = statements.flat();
  expect(payloads.flatMap((payload) => (JSON.parse(payload) as { ids: string[] }).ids)).toEqual(ids);
  for (const payload of payloads) expect(Buffer.byteLength(payload)).toBeLessThan(8_000);
});

test("an announcement in any turn after another is sent: no gap in which it would stay", async () => {
  const { join } = channel();
  const [here, there] = [await join("a"), await join("b")];
  let heard = 0;
  there.onAny("events", (ids) => {
    heard += ids.length;
  });
  for (let gap = 0; gap < 20; gap++) {
    here.announce("events", ["x"]);
    for (let n = 0; n < gap; n++) await null;
    here.announce("events", ["y"]);
    await turn();
    expect(heard).toBe(2 * (gap + 1));
  }
});

test("a channel that is away costs wake-ups and nothing else: the next announcement goes out", async () => {
  const { join, state, statements } = channel();
  const bus = await join("a");
  state.broken = true;
  bus.announce("work", ["lost"]);
  await turn();
  state.broken = false;
  bus.announce("work", ["1"]);
  await turn();
  expect(statements.flat().join()).toContain('"1"');
  await bus.stop();
});

test("a reconnection wakes everybody, since what came in between was lost", async () => {
  const { join, subscribers } = channel();
  const bus = await join("a");
  const heard: string[] = [];
  bus.onId("events", "1", () => heard.push("id"));
  bus.onAny("work", (ids) => heard.push(`any ${ids.length}`));
  subscribers[0]?.onReady();
  expect(heard).toEqual(["id", "any 0"]);
});

test("whatever strangers send on the channel is ignored", async () => {
  const { join, subscribers } = channel();
  const bus = await join("a");
  let heard = 0;
  bus.onId("events", "1", () => heard++);
  const hostile = [
    "",
    "{",
    "null",
    "7",
    "[]",
    '{"topic":"events"}',
    '{"topic":"events","ids":"1"}',
    '{"topic":{},"ids":["1"]}',
  ];
  for (const payload of hostile) subscribers[0]?.onPayload(payload);
  expect(heard).toBe(0);
  subscribers[0]?.onPayload('{"from":"b","topic":"events","ids":[7,null,"1"]}');
  expect(heard).toBe(1);
});

test("who has stopped listening hears nothing more, and others go on hearing", async () => {
  const { join } = channel();
  const bus = await join("a");
  const heard: string[] = [];
  const end = bus.onId("events", "1", () => heard.push("first"));
  bus.onId("events", "1", () => heard.push("second"));
  end();
  end();
  bus.announce("events", ["1"]);
  expect(heard).toEqual(["second"]);
});
