/**
 * How many deliveries a second one process makes to a fast receiver on this machine, and how much longer those of a good
 * endpoint take while another, with 10,000 waiting, never answers. Run: `node bench/webhooks.ts [deliveries] [endpoints]`.
 */

import { fork } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createAuditor } from "../src/audit/auditor.ts";
import { migrate } from "../src/db/migrate.ts";
import { openDatabase } from "../src/db/sql.ts";
import { createEgress } from "../src/egress/egress.ts";
import { createEventBus } from "../src/events/bus.ts";
import { createNotifyTransport } from "../src/events/transport.ts";
import { parsePlaces } from "../src/lib/address-ranges.ts";
import { newId } from "../src/lib/ids.ts";
import { createSecretBox } from "../src/lib/secret-box.ts";
import { createLogger } from "../src/telemetry/logger.ts";
import { createMetrics } from "../src/telemetry/metrics.ts";
import { createDispatcher } from "../src/webhooks/dispatcher.ts";
import { createTestDatabase, startTestPostgres } from "../test/support/postgres.ts";

if (process.argv[2] === "receive") {
  // In a process of its own: what it costs is not the dispatcher's.
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      if (request.url === "/never") return;
      response.writeHead(204).end();
      const { sent } = JSON.parse(Buffer.concat(pieces).toString());
      if (sent) process.send?.({ took: Date.now() - sent });
    });
  }).listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }));
} else await bench();

async function bench(): Promise<void> {
  const [deliveries = 10_000, endpoints = 8] = process.argv.slice(2).map(Number);
  const server = await startTestPostgres();
  const database = await createTestDatabase();
  const db = openDatabase({
    url: database.url,
    maxConnections: 6,
    statementTimeoutMs: 60_000,
    applicationName: "bench",
  });
  await migrate(db);
  const receiver = fork(import.meta.filename, ["receive"]);
  const [{ port }] = (await once(receiver, "message")) as [{ port: number }];
  const took: number[] = [];
  receiver.on("message", (message: { took?: number }) => {
    if (message.took !== undefined) took.push(message.took);
  });
  const secrets = createSecretBox(Buffer.alloc(32, 1), "webhook secrets");
  const logger = createLogger("warn");
  const bus = createEventBus({ transport: createNotifyTransport(db), processId: "bench", logger });
  await bus.start();
  const egress = createEgress({
    policy: { ...parsePlaces(["127.0.0.0/8"]), allowHttp: false },
    own: () => [],
  });
  const dispatcher = createDispatcher({
    pool: db.dedicated({ name: "webhooks", max: 3, statementTimeoutMs: 30_000 }),
    bus,
    egress,
    secrets,
    audit: createAuditor(),
    now: Date.now,
    random: Math.random,
    logger,
    metrics: createMetrics(),
  });
  const subscribe = async (path: string): Promise<string> => {
    const id = newId();
    const url = secrets.seal(`http://127.0.0.1:${port}${path}`, `${id} url`);
    const secret = secrets.seal("whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", `${id} secret`);
    await db.sql`
      insert into webhook_subscriptions (id, user_id, url, shown_url, events, secret)
      values (${id}, ${newId()}, ${url}, '', '{*}', ${secret})`;
    await db.sql`
      insert into webhook_endpoints (subscription_id, user_id) select id, user_id from webhook_subscriptions where id = ${id}`;
    return id;
  };
  const deliver = async (id: string, count: number, payload: object): Promise<void> => {
    const text = JSON.stringify({
      ...payload,
      type: "job.completed",
      version: "v1",
      padding: "x".repeat(300),
    });
    await db.sql`
      insert into webhook_deliveries (id, subscription_id, user_id, event_type, payload, status, next_attempt_at)
      select new_uuid(), s.id, s.user_id, 'job.completed', ${text}, 'PENDING', now()
      from webhook_subscriptions s, generate_series(1, ${count}::int) where s.id = ${id}`;
  };
  const waiting = async (ids: readonly string[]): Promise<number> => {
    const [row] = await db.sql<[{ count: number }]>`
      select count(*)::int as count from webhook_deliveries
      where status = 'PENDING' and subscription_id in (select jsonb_array_elements_text(${JSON.stringify(ids)}::text::jsonb)::uuid)`;
    return row.count;
  };
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

  const fast = await Promise.all(Array.from({ length: endpoints }, () => subscribe("/")));
  for (const id of fast) await deliver(id, Math.ceil(deliveries / endpoints), {});
  await db.sql`vacuum analyze webhook_deliveries`.catch(() => {});
  const start = performance.now();
  const cpu = process.cpuUsage();
  await dispatcher.start();
  while ((await waiting(fast)) > 0) await pause(50);
  const seconds = (performance.now() - start) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  process.stdout.write(
    `${deliveries} deliveries to ${endpoints} endpoints: ${seconds.toFixed(2)} s, ${Math.round(deliveries / seconds)} a second, ` +
      `${((user + system) / deliveries).toFixed(0)} µs of this process for each\n`,
  );

  const good = await subscribe("/");
  const latencies = async (): Promise<number[]> => {
    took.length = 0;
    for (let i = 0; i < 200; i++) {
      await deliver(good, 1, { sent: Date.now() });
      bus.announce("deliveries", [good]);
      await pause(20);
    }
    while (took.length < 200) await pause(20);
    return took.slice().sort((a, b) => a - b);
  };
  const told = (sorted: readonly number[]): string => `p50 ${sorted[100]} ms, p99 ${sorted[198]} ms`;
  await latencies();
  process.stdout.write(`a good endpoint alone: ${told(await latencies())}\n`);
  const never = await subscribe("/never");
  await deliver(never, 10_000, {});
  bus.announce("deliveries", [never]);
  await pause(500);
  process.stdout.write(`beside one that hangs with 10,000 waiting: ${told(await latencies())}\n`);

  receiver.disconnect();
  receiver.kill();
  await dispatcher.stop();
  await egress.close();
  await bus.stop();
  await db.close();
  await server.stop();
}
