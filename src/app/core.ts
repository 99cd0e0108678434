import { randomBytes } from "node:crypto";
import { type Auditor, createAuditor } from "../audit/auditor.ts";
import { createAuditPartitions } from "../audit/partitions.ts";
import { loadMasterKey } from "../auth/master-key.ts";
import type { Config } from "../config.ts";
import { connectDatabase } from "../database.ts";
import { createDatabaseClock, type DatabaseClock } from "../db/clock.ts";
import type { EmbeddedPostgres } from "../db/embedded.ts";
import { assertMigrated, migrate } from "../db/migrate.ts";
import type { Database } from "../db/sql.ts";
import { createEgress, type Egress } from "../egress/egress.ts";
import { createEventBus, type EventBus } from "../events/bus.ts";
import { type BusTransport, createNotifyTransport } from "../events/transport.ts";
import { createRemoteDocuments, type RemoteDocuments } from "../jobs/documents/remote.ts";
import { createDocumentsService, type DocumentsService } from "../jobs/documents/service.ts";
import { createExpiry, createExpirySweeper, type Expiry } from "../jobs/expiry.ts";
import { type ClaimedJob, createLeases, type Leases } from "../jobs/leases.ts";
import { createQuotas, type Quotas } from "../jobs/quotas.ts";
import { createStoredBytesCompactor } from "../jobs/stored-bytes.ts";
import type { Cleanup } from "../lib/cleanup.ts";
import { monotonicMs, systemClock } from "../lib/clock.ts";
import { newId } from "../lib/ids.ts";
import { createSecretBox, deriveKey } from "../lib/secret-box.ts";
import { createPipelinesService, type PipelinesService } from "../pipelines/service.ts";
import type { Queue } from "../queue/queue.ts";
import { createStageCatalogue, type StageCatalogue } from "../stages/catalogue.ts";
import { createObjectStore, placeOfStore } from "../storage/create-store.ts";
import type { FileStore } from "../storage/file-store.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { createS3Sources, type S3Sources } from "../storage/s3/sources.ts";
import type { Logger } from "../telemetry/logger.ts";
import { createMetrics, type Metrics } from "../telemetry/metrics.ts";
import { createRecovery } from "../worker/recovery.ts";
import { customStages } from "./custom-stages.ts";
import { ownAddresses } from "./own-addresses.ts";
import { SWEEP_MS, startQueue } from "./queue.ts";
import { type FoundRedis, findRedis } from "./redis.ts";
import { type StartOptions, takeDatabase } from "./start.ts";

/** How often what has expired is looked for. */
const EXPIRY_MS = 30_000;
/** How often what owners have stored is added up. */
const COMPACT_MS = 10_000;
/** What the key is for that the secrets of pipelines are encrypted with. */
export const PIPELINE_SECRETS = "pipeline secrets";

/** What servers and workers have in common. */
export interface Core {
  config: Config;
  logger: Logger;
  metrics: Metrics;
  db: Database;
  clock: DatabaseClock;
  audit: Auditor;
  databaseUrl: string;
  embedded: EmbeddedPostgres | null;
  bus: EventBus;
  queue: Queue<ClaimedJob>;
  store: ObjectStore;
  /** The same when its links lead to this service. */
  files: FileStore | null;
  pipelines: PipelinesService;
  catalogue: StageCatalogue;
  documents: DocumentsService;
  quotas: Quotas;
  egress: Egress;
  remote: RemoteDocuments;
  expiry: Expiry;
  leases: Leases;
  /** Null: Postgres holds the queue and carries wake-ups. */
  redis: FoundRedis | null;
  masterKey: Buffer;
  processId: string;
  publicUrl: { current: string };
}

/**
 * Connects to everything outside, and starts the duties that servers and workers share. What it started ends with
 * the cleanup, on failure too.
 */
export async function startCore(options: StartOptions, name: string, cleanup: Cleanup): Promise<Core> {
  const { config, logger } = options;
  const metrics = createMetrics();
  const processId = `${config.hostname}-${process.pid}-${randomBytes(3).toString("hex")}`;
  const { url: databaseUrl, embedded } = await takeDatabase(options, cleanup);
  const db = await connectDatabase(
    databaseUrl,
    { name, maxConnections: config.databaseConnections, logger },
    cleanup,
  );
  if (options.migrate) {
    const ran = await migrate(db);
    if (ran.length > 0) logger.info({ migrations: ran }, "the schema was brought up to date");
  } else {
    await assertMigrated(db);
  }
  const clock = createDatabaseClock({ system: systemClock, logger });
  await clock.look(db.sql);
  const audit = createAuditor(clock.now);
  const partitions = createAuditPartitions({ db, now: clock.now, logger });
  await partitions.start();
  cleanup.add("audit partitions", () => partitions.stop());
  const masterKey = config.masterKey?.reveal() ?? (await loadMasterKey(config.dataDir));
  const publicUrl = { current: config.publicUrl ?? "" };
  const { store, files } = createObjectStore(config.storageUrl, {
    s3Credentials: config.s3Credentials?.reveal() ?? null,
    publicUrl: () => publicUrl.current,
    signingSecret: deriveKey(masterKey, "file links"),
    clock,
  });
  await store.check();
  const redis = config.redisUrls ? await findRedis(config.redisUrls.reveal(), db, logger) : null;
  const transport = redis ? await overRedis(redis, logger) : createNotifyTransport(db);
  const bus = createEventBus({ transport, processId, logger });
  await bus.start();
  cleanup.add("event bus", () => bus.stop());
  const catalogue = createStageCatalogue({ custom: await customStages(options) });
  const pipelines = createPipelinesService({
    db,
    now: monotonicMs,
    audit,
    secrets: createSecretBox(masterKey, PIPELINE_SECRETS),
    catalogue,
    requestHashKey: deriveKey(masterKey, "request hashes"),
    newId: () => newId(clock.now()),
  });
  const quotas = createQuotas(config.quotas);
  const documents = createDocumentsService({
    db,
    store,
    audit,
    newId: () => newId(clock.now()),
    retentionMs: config.retentionMs,
    maxBytes: config.limits.maxInputBytes,
    quotas,
  });
  const egress = createEgress({
    policy: config.egress,
    own: () => ownAddresses(config, publicUrl.current),
  });
  cleanup.add("egress", () => egress.close());
  const remote = createRemoteDocuments({
    db,
    store,
    egress,
    buckets: s3SourcesOf(config),
    uris: createSecretBox(masterKey, "document addresses"),
    newId: () => newId(clock.now()),
  });
  const queue = await startQueue({ db, bus, redis, leaseMs: config.leaseMs, logger }, cleanup);
  const leases = createLeases({
    db,
    bus,
    queue,
    metrics,
    clock,
    leaseMs: config.leaseMs,
    retentionMs: config.retentionMs,
  });
  const expiry = createExpiry({ db, store, audit, documents });
  const expirySweeper = createExpirySweeper({ expiry, intervalMs: EXPIRY_MS, logger });
  await expirySweeper.start();
  cleanup.add("expiry", () => expirySweeper.stop());
  const compactor = createStoredBytesCompactor({ db, intervalMs: COMPACT_MS, logger });
  await compactor.start();
  cleanup.add("stored bytes", () => compactor.stop());
  const recovery = createRecovery({ leases, intervalMs: SWEEP_MS, logger });
  await recovery.start();
  cleanup.add("recovery", () => recovery.stop());
  return {
    config,
    logger,
    metrics,
    db,
    clock,
    audit,
    databaseUrl,
    embedded,
    bus,
    queue,
    store,
    files,
    pipelines,
    catalogue,
    documents,
    quotas,
    egress,
    remote,
    expiry,
    leases,
    redis,
    masterKey,
    processId,
    publicUrl,
  };
}

/** Where an entry does not say where its bucket is, it is where the objects are. */
function s3SourcesOf({ s3Sources, s3Credentials, storageUrl }: Config): S3Sources {
  const place = placeOfStore(storageUrl);
  return createS3Sources(s3Sources, s3Credentials?.reveal() ?? null, "s3" in place ? place.s3 : undefined);
}

/** Settles, with a sentence for people, when the embedded database has ended; never where there is none. */
export function failureOf(core: Core): Promise<string> {
  if (!core.embedded) return new Promise(() => {});
  return core.embedded.exited.then(
    () => "The embedded database has ended; its log in the data folder tells why.",
  );
}

async function overRedis(redis: FoundRedis, logger: Logger): Promise<BusTransport> {
  const { createRedisTransport } = await import("../events/redis-transport.ts");
  return createRedisTransport({ ...redis, logger });
}
