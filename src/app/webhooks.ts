import { createEgress } from "../egress/egress.ts";
import type { Cleanup } from "../lib/cleanup.ts";
import { messageOf } from "../lib/errors.ts";
import { newId } from "../lib/ids.ts";
import { createSecretBox, deriveKey } from "../lib/secret-box.ts";
import { createBacklog } from "../webhooks/backlog.ts";
import { createDispatcher } from "../webhooks/dispatcher.ts";
import { createWebhooksService, type WebhooksService } from "../webhooks/service.ts";
import { createDeliverySweeper } from "../webhooks/sweeper.ts";
import type { Core } from "./core.ts";
import { ownAddresses } from "./own-addresses.ts";

/** Claims, reads and records of deliveries, beside those of callers. */
const CONNECTIONS = 3;
const STATEMENT_MS = 10_000;
const SWEEP_MS = 30_000;
/** How long deliveries that wait for nothing are kept. */
const RETENTION_MS = 30 * 24 * 60 * 60_000;
/** An endpoint that does not take a connection by then is down. */
const CONNECT_MS = 3_000;
/** What the key is for that URLs, headers and secrets of webhooks are encrypted with. */
const SECRETS = "webhook secrets";

export interface Webhooks {
  readonly service: WebhooksService;
  /** @throws HealthError when deliveries fall behind */
  check(): Promise<void>;
}

/** Starts to deliver what waits for webhooks. Servers do so, and not workers, which have documents about them. */
export async function startWebhooks(core: Core, cleanup: Cleanup): Promise<Webhooks> {
  const { db, audit, bus, metrics, logger, config } = core;
  const { now } = core.clock;
  const secrets = createSecretBox(core.masterKey, SECRETS);
  const pool = db.dedicated({ name: "webhooks", max: CONNECTIONS, statementTimeoutMs: STATEMENT_MS });
  const egress = createEgress({
    policy: config.egress,
    own: () => ownAddresses(config, core.publicUrl.current),
    connectMs: CONNECT_MS,
  });
  cleanup.add("egress of webhooks", () => egress.close());
  const dispatcher = createDispatcher({
    pool,
    bus,
    egress,
    secrets,
    audit,
    now,
    random: Math.random,
    logger,
    metrics,
  });
  await dispatcher.start();
  cleanup.add("webhooks", () => dispatcher.stop());
  const sweeper = createDeliverySweeper({
    pool,
    audit,
    retentionMs: RETENTION_MS,
    intervalMs: SWEEP_MS,
    now,
    logger,
  });
  await sweeper.start();
  cleanup.add("sweep of deliveries", () => sweeper.stop());
  const backlog = createBacklog({ pool, now });
  metrics.onRead(async () => {
    try {
      const { due, secondsBehind } = await backlog.read();
      metrics.webhookBacklog.set(due);
      metrics.webhookOldestSeconds.set(secondsBehind);
    } catch (error) {
      logger.warn({ error: messageOf(error) }, "the backlog of webhooks could not be read");
    }
  });
  const service = createWebhooksService({
    db,
    audit,
    egress,
    bus,
    secrets,
    requestHashKey: deriveKey(core.masterKey, "webhook request hashes"),
    newId: () => newId(now()),
    now,
  });
  return { service, check: backlog.check };
}
