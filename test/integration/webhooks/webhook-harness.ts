import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { createAuditor } from "../../../src/audit/auditor.ts";
import { newId } from "../../../src/lib/ids.ts";
import type { Lifecycle } from "../../../src/lib/lifecycle.ts";
import { createSecretBox } from "../../../src/lib/secret-box.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";
import { createDispatcher } from "../../../src/webhooks/dispatcher.ts";
import type { DeliveryStatus } from "../../../src/webhooks/model.ts";
import { createWebhooksService, type WebhooksService } from "../../../src/webhooks/service.ts";
import { createHarness, type Harness } from "../../support/harness.ts";

const KEY = Buffer.alloc(32, 9);
const logger = createLogger("silent");

/** One call that a receiver got. */
export interface Received {
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly path: string;
}

export interface Receiver {
  readonly url: string;
  readonly received: Received[];
  /** What it answers from now on. */
  answer(status: number, headers?: Record<string, string>, body?: string): void;
  /** Answers as it likes. */
  handle(handler: (request: IncomingMessage, response: ServerResponse) => void): void;
}

/** An endpoint that takes everything, until it is told otherwise. Closed at the end of the test. */
export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  const taking = (status: number, headers: Record<string, string> = {}, body = "") =>
    function take(_: IncomingMessage, response: ServerResponse) {
      response.writeHead(status, headers).end(body);
    };
  let handler: (request: IncomingMessage, response: ServerResponse) => void = taking(204);
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("error", () => {});
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      const headers = request.headers as Record<string, string>;
      received.push({ headers, body: Buffer.concat(pieces).toString(), path: request.url ?? "" });
      handler(request, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received,
    answer(status, headers, body) {
      handler = taking(status, headers, body);
    },
    handle(next) {
      handler = next;
    },
  };
}

export interface WebhookHarness extends AsyncDisposable {
  readonly h: Harness;
  readonly webhooks: WebhooksService;
  /** A time that can be set ahead; dispatchers go by it. */
  readonly time: { aheadMs: number };
  /** A further process that delivers; stopped at the end of the test. */
  startDispatcher(): Promise<Lifecycle>;
  statuses(webhookId: string): Promise<Record<DeliveryStatus, number>>;
}

export async function createWebhookHarness(): Promise<WebhookHarness> {
  const h = await createHarness();
  const time = { aheadMs: 0 };
  const now = (): number => Date.now() + time.aheadMs;
  const secrets = createSecretBox(KEY, "webhook secrets");
  const audit = createAuditor();
  const started: Lifecycle[] = [];
  const webhooks = createWebhooksService({
    db: h.db,
    audit,
    egress: h.egress,
    bus: h.bus,
    secrets,
    requestHashKey: KEY,
    newId,
    now,
  });
  return {
    h,
    webhooks,
    time,
    async startDispatcher() {
      const pool = h.db.dedicated({ name: "webhooks", max: 2, statementTimeoutMs: 10_000 });
      const dispatcher = createDispatcher({
        pool,
        bus: h.bus,
        egress: h.egress,
        secrets,
        audit,
        now,
        random: Math.random,
        logger,
        metrics: h.metrics,
      });
      started.push(dispatcher);
      await dispatcher.start();
      return dispatcher;
    },
    async statuses(webhookId) {
      const rows = await h.db.sql<{ status: DeliveryStatus; count: number }[]>`
        select status, count(*)::int as count from webhook_deliveries where subscription_id = ${webhookId} group by status`;
      const none = { PENDING: 0, DELIVERED: 0, FAILED: 0, SKIPPED: 0 };
      return { ...none, ...Object.fromEntries(rows.map(({ status, count }) => [status, count])) };
    },
    async [Symbol.asyncDispose]() {
      for (const dispatcher of started) await dispatcher.stop();
      await h[Symbol.asyncDispose]();
    },
  };
}

/** What a webhook of a test is made with, but for what it says itself. */
export const settings = (url: string) => ({
  url,
  events: ["*"],
  description: "",
  headers: {},
  isOrdered: false,
  requestId: "",
});
