import { expect, test } from "vitest";
import { createEventBus } from "../../../src/events/bus.ts";
import { createRedisTransport } from "../../../src/events/redis-transport.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";
import { until } from "../../support/harness.ts";
import { startTestRedis } from "../../support/redis.ts";

const logger = createLogger("silent");

function busOver(url: string, processId: string) {
  return createEventBus({
    transport: createRedisTransport({ urls: [url], cluster: false, name: "test", logger }),
    processId,
    logger,
  });
}

test("over Redis, what one process announces wakes whoever waits in another, and only for its id", async () => {
  const redis = await startTestRedis();
  const here = busOver(redis.url, "here");
  const there = busOver(redis.url, "there");
  try {
    let woken = 0;
    let others = 0;
    there.onId("events", "a", () => woken++);
    there.onId("events", "b", () => others++);
    await Promise.all([here.start(), there.start()]);
    await until(async () => {
      here.announce("events", ["a"]);
      return woken > 0;
    }, "the announcement arrives");
    const afterReady = others;
    const before = woken;
    here.announce("events", ["a"]);
    await until(async () => woken > before, "the next one arrives too");
    expect(others).toBe(afterReady);
  } finally {
    await Promise.all([here.stop(), there.stop()]);
    await redis.stop();
  }
});

test("a Redis that is killed and comes back wakes everybody once, and carries announcements again", async () => {
  const redis = await startTestRedis();
  const here = busOver(redis.url, "here");
  const there = busOver(redis.url, "there");
  try {
    let woken = 0;
    there.onId("events", "a", () => woken++);
    await Promise.all([here.start(), there.start()]);
    await until(async () => woken > 0, "the channel is followed");
    await redis.kill();
    // With nobody to carry it, an announcement neither throws nor waits.
    here.announce("events", ["a"]);
    const before = woken;
    await redis.restart();
    await until(async () => woken > before, "those who wait are woken after the return");
    const afterReturn = woken;
    await until(async () => {
      here.announce("events", ["a"]);
      return woken > afterReturn;
    }, "announcements arrive again");
  } finally {
    await Promise.all([here.stop(), there.stop()]);
    await redis.stop();
  }
});
