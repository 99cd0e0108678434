import { test } from "vitest";
import { openDatabase } from "../../../src/db/sql.ts";
import { createEventBus } from "../../../src/events/bus.ts";
import { createNotifyTransport } from "../../../src/events/transport.ts";
import { newId } from "../../../src/lib/ids.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";
import { createHarness, type Harness, until } from "../../support/harness.ts";

/** The bus of another process on the same database. */
async function otherProcess(h: Harness, name: string) {
  const db = openDatabase({
    url: h.databaseUrl,
    maxConnections: 2,
    statementTimeoutMs: 10_000,
    applicationName: name,
  });
  const bus = createEventBus({
    transport: createNotifyTransport(db),
    processId: newId(),
    logger: createLogger("silent"),
  });
  await bus.start();
  return {
    bus,
    async [Symbol.asyncDispose]() {
      await bus.stop();
      await db.close();
    },
  };
}

test("processes wake each other over Postgres, with a thousand ids at once", async () => {
  await using h = await createHarness();
  await using other = await otherProcess(h, "other");
  const heard = new Set<string>();
  other.bus.onAny("work", (ids) => {
    for (const id of ids) heard.add(id);
  });
  const ids = Array.from({ length: 1_000 }, () => newId());
  h.bus.announce("work", ids);
  await until(async () => heard.size === 1_000, "all ids have arrived");
});

test("whatever others notify on the channel does no harm", async () => {
  await using h = await createHarness();
  await using other = await otherProcess(h, "other");
  let heard = 0;
  other.bus.onId("events", "1", () => heard++);
  for (const payload of ["", "{", "null", '{"ids":7}'])
    await h.db.sql`select pg_notify('sluice_bus', ${payload})`;
  h.bus.announce("events", ["1"]);
  await until(async () => heard === 1, "the announcement after them has arrived");
});

test("a listening connection that is cut comes back, and wakes everybody for what was lost meanwhile", async () => {
  await using h = await createHarness();
  await using other = await otherProcess(h, "cut-off");
  const heard: string[] = [];
  other.bus.onId("events", "1", () => heard.push("woken"));
  await h.db
    .sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'cut-off:main'`;
  await until(async () => heard.length > 0, "the reconnection wakes it");
  const before = heard.length;
  h.bus.announce("events", ["1"]);
  await until(async () => heard.length > before, "announcements arrive again");
});
