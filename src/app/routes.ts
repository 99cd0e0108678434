import type { Audit } from "../audit/audit.ts";
import type { Auth } from "../auth/auth.ts";
import { INLINE_RESULT_BYTES } from "../jobs/model.ts";
import { jobRoutes } from "../jobs/rpc.ts";
import { createJobsService } from "../jobs/service.ts";
import { messageOf } from "../lib/errors.ts";
import { newId } from "../lib/ids.ts";
import { createSecretBox, deriveKey } from "../lib/secret-box.ts";
import { configToMessage } from "../pipelines/convert.ts";
import { pipelineRoutes } from "../pipelines/rpc.ts";
import { createPageTokens, MAX_PAGE_SIZE } from "../rpc/pages.ts";
import { createRequestValidator } from "../rpc/validation.ts";
import { systemRoutes } from "../system/rpc.ts";
import { createSystemService } from "../system/service.ts";
import { VERSION } from "../version.ts";
import { webhookRoutes } from "../webhooks/rpc.ts";
import type { WebhooksService } from "../webhooks/service.ts";
import type { Core } from "./core.ts";

const MAX_JOB_TIMEOUT_MS = 24 * 60 * 60_000;
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
const MAX_BATCH_SIZE = 1_000;

/** Every service of the contract over its rooms, and the verbs of operators that other routes and checks need too. */
export function routesOf(core: Core, auth: Auth, record: Audit, webhooks: WebhooksService, startTime: Date) {
  const { config, db, audit, bus, queue, store, metrics, pipelines, documents, logger } = core;
  const { now } = core.clock;
  const pages = createPageTokens(deriveKey(core.masterKey, "page tokens"));
  const validator = createRequestValidator();
  const jobs = createJobsService({
    db,
    documents,
    remote: core.remote,
    expiry: core.expiry,
    retentionMs: config.retentionMs,
    pipelines,
    audit,
    bus,
    queue,
    store,
    metrics,
    quotas: core.quotas,
    passwords: createSecretBox(core.masterKey, "document passwords"),
    requestHashKey: deriveKey(core.masterKey, "request hashes"),
    newId: () => newId(now()),
    now,
  });
  const system = createSystemService({
    db,
    audit,
    queue,
    metrics,
    now,
    facts: {
      version: VERSION,
      features: ["ocr", queue.backend, ...(core.files ? [] : ["s3"])].sort(),
      startTime,
      maxMessageBytes: MAX_MESSAGE_BYTES,
      maxDocumentBytes: config.limits.maxInputBytes,
      maxInlineResultBytes: INLINE_RESULT_BYTES,
      maxBatchSize: MAX_BATCH_SIZE,
      maxPageSize: MAX_PAGE_SIZE,
      maxPages: config.limits.maxPages,
      maxJobTimeoutMs: MAX_JOB_TIMEOUT_MS,
      resultRetentionMs: config.retentionMs,
    },
  });
  metrics.onRead(async () => {
    try {
      await system.refreshGauges();
    } catch (error) {
      logger.warn({ error: messageOf(error) }, "the gauges of the queue could not be read");
    }
  });
  return {
    system,
    services: [
      jobRoutes({
        jobs,
        documents,
        pages,
        validator,
        logger,
        now,
        snapshotToMessage: configToMessage,
      }),
      pipelineRoutes({ pipelines, pages, validator }),
      systemRoutes(system, pages),
      ...auth.routes(pages),
      record.routes(pages),
      webhookRoutes({ webhooks, pages }),
    ],
  };
}
