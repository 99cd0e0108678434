import { randomBytes, randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { type Audit, createAudit } from "./audit/audit.ts";
import { type Auditor, createAuditor } from "./audit/auditor.ts";
import { createFloodGate } from "./audit/floods.ts";
import { createHeadFile } from "./audit/head-file.ts";
import { createAuditPartitions } from "./audit/partitions.ts";
import { type CallRecorder, createCallRecorder } from "./audit/recorder.ts";
import { createSpill } from "./audit/spill.ts";
import { type AuditWriter, createAuditWriter } from "./audit/writer.ts";
import { type AdminVerbs, createAdminVerbs } from "./auth/admin.ts";
import { type Auth, createAuth } from "./auth/auth.ts";
import { MasterKeyMissingError, UnauthenticatedError } from "./auth/errors.ts";
import { createKeyRotation, type KeyRotation } from "./auth/key-rotation.ts";
import { loadMasterKey, readMasterKey } from "./auth/master-key.ts";
import { createPasswords } from "./auth/passwords.ts";
import type { Config } from "./config.ts";
import { connectDatabase, type FoundDatabase, startFailure } from "./database.ts";
import { createDatabaseClock, type DatabaseClock } from "./db/clock.ts";
import type { EmbeddedPostgres } from "./db/embedded.ts";
import { assertMigrated, migrate } from "./db/migrate.ts";
import type { Database } from "./db/sql.ts";
import { createChecks, createChecksWithout, type MachineDeps } from "./doctor/checks.ts";
import { examine } from "./doctor/doctor.ts";
import type { Outcome, Report } from "./doctor/model.ts";
import { createEgress, type Egress } from "./egress/egress.ts";
import type { OwnAddress } from "./egress/policy.ts";
import { createEventBus, type EventBus } from "./events/bus.ts";
import { createNotifyTransport, createRedisTransport } from "./events/transport.ts";
import { createClaims } from "./jobs/claims.ts";
import { createRemoteDocuments, type RemoteDocuments } from "./jobs/documents/remote.ts";
import { createDocumentsService, type DocumentsService } from "./jobs/documents/service.ts";
import { createExpiry, createExpirySweeper, type Expiry } from "./jobs/expiry.ts";
import { createHeartbeats } from "./jobs/heartbeats.ts";
import { type ClaimedJob, createLeases, type Leases, type Recovered } from "./jobs/leases.ts";
import { INLINE_RESULT_BYTES } from "./jobs/model.ts";
import { createQuotas, type Quotas } from "./jobs/quotas.ts";
import { jobRoutes } from "./jobs/rpc.ts";
import { createJobsService } from "./jobs/service.ts";
import { createStoredBytesCompactor } from "./jobs/stored-bytes.ts";
import { type Cleanup, createCleanup } from "./lib/cleanup.ts";
import { monotonicMs, systemClock } from "./lib/clock.ts";
import { messageOf } from "./lib/errors.ts";
import { newId } from "./lib/ids.ts";
import { createSecretBox, deriveKey } from "./lib/secret-box.ts";
import { configToMessage } from "./pipelines/convert.ts";
import { pipelineRoutes } from "./pipelines/rpc.ts";
import { createPipelinesService, type PipelinesService } from "./pipelines/service.ts";
import { installationId } from "./queue/line-queries.ts";
import { createPostgresQueue } from "./queue/postgres-queue.ts";
import type { Queue } from "./queue/queue.ts";
import { createReconciler } from "./queue/reconciler.ts";
import { openRedisLine } from "./queue/redis-line.ts";
import { createRedisQueue } from "./queue/redis-queue.ts";
import { connectRedis, isRedisCluster } from "./redis/client.ts";
import { createRedisBuckets } from "./redis/rate-buckets.ts";
import type { HealthCheck } from "./rpc/health-checks.ts";
import { createPageTokens, MAX_PAGE_SIZE } from "./rpc/pages.ts";
import { createRateLimits, type RateLimits } from "./rpc/rates/rate-limits.ts";
import { createPostgresRates } from "./rpc/rates/rate-queries.ts";
import { createRedisRates } from "./rpc/rates/redis-rates.ts";
import { createRpcServer, type RpcServer } from "./rpc/server.ts";
import { unbuiltServices } from "./rpc/unbuilt.ts";
import { createRequestValidator } from "./rpc/validation.ts";
import { removeServerFile, writeServerFile } from "./server-file.ts";
import { createStageCatalogue, type StageCatalogue, type StageType } from "./stages/catalogue.ts";
import { describeCustomStages } from "./stages/custom/describe.ts";
import { createStagePool } from "./stages/host/pool.ts";
import { createObjectStore, placeOfStore } from "./storage/create-store.ts";
import { createFileRoutes } from "./storage/file-routes.ts";
import type { FileStore } from "./storage/file-store.ts";
import type { ObjectStore } from "./storage/object-store.ts";
import { createS3Sources, type S3Sources } from "./storage/s3/sources.ts";
import { createQueueRoute } from "./system/queue-route.ts";
import { systemRoutes } from "./system/rpc.ts";
import { createSystemService } from "./system/service.ts";
import type { Logger } from "./telemetry/logger.ts";
import { createMetrics, type Metrics } from "./telemetry/metrics.ts";
import { VERSION } from "./version.ts";
import { createHttpStage } from "./worker/http-stage.ts";
import { removeLeftovers } from "./worker/leftovers.ts";
import { createRecovery } from "./worker/recovery.ts";
import { createJobRunner } from "./worker/run-job.ts";
import { createWorker, type Worker } from "./worker/worker.ts";

const DEFAULT_JOB_TIMEOUT_MS = 60 * 60_000;
const MAX_JOB_TIMEOUT_MS = 24 * 60 * 60_000;
const DEFAULT_STAGE_TIMEOUT_MS = 10 * 60_000;
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
const MAX_BATCH_SIZE = 1_000;
const POLL_MS = 1_000;
/** What the key is for that the secrets of pipelines are encrypted with. */
const PIPELINE_SECRETS = "pipeline secrets";
const SWEEP_MS = 5_000;
/** How often what has expired is looked for. */
const EXPIRY_MS = 30_000;
/** Rows of the audit log that no transaction holds. */
const AUDIT_CONNECTIONS = 2;
const AUDIT_STATEMENT_MS = 5_000;
/** How often what owners have stored is added up. */
const COMPACT_MS = 10_000;
const REDIS_ANSWER_MS = 2_000;
/** What the doctor looks at unless it is asked for everything: so many jobs of each kind, and for so long. */
const DOCTOR_JOBS = 10_000;
const DOCTOR_DEADLINE_MS = 60_000;
const DOCTOR_LONGEST_MS = 6 * 60 * 60_000;

/** What servers and workers have in common. */
interface Core {
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

export interface StartOptions {
  readonly config: Config;
  readonly logger: Logger;
  /** Run missing migrations; otherwise an outdated schema is an error. */
  readonly migrate: boolean;
  /** Begun by whoever calls, so that the database starts while the service is loaded. */
  readonly database: Promise<FoundDatabase>;
  /** Modules with stages of the operator's. */
  readonly stages?: readonly string[];
}

/** A running process; `stop` ends it in good order, `failed` settles when a part it cannot do without has ended. */
export interface Running {
  readonly failed: Promise<string>;
  stop(): Promise<void>;
}

export interface RunningServer extends Running {
  readonly url: string;
  readonly auth: Auth;
  readonly embedded: boolean;
  readonly worker: boolean;
}

async function takeDatabase(options: StartOptions, cleanup: Cleanup): Promise<FoundDatabase> {
  const found = await options.database;
  if (found.embedded) {
    const { embedded } = found;
    cleanup.add("database server", () => embedded.stop());
  }
  return found;
}

async function startCore(options: StartOptions, name: string, cleanup: Cleanup): Promise<Core> {
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
  const transport = redis ? createRedisTransport({ ...redis, logger }) : createNotifyTransport(db);
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

/** The operator's stages, read before anything depends on them. */
async function customStages({ config, stages: modules = [] }: StartOptions): Promise<StageType[]> {
  if (modules.length === 0) return [];
  const folder = join(config.dataDir, "tmp");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // Of its own: other processes may have documents in the folder. Named as `removeLeftovers` knows it.
  const tempDir = await mkdtemp(join(folder, `${process.pid}-stages-`));
  try {
    return await describeCustomStages({
      modules,
      closedPaths: closedPaths(config),
      tempDir,
      path: config.path,
    });
  } finally {
    await rm(tempDir, { recursive: true, force: true });
  }
}

/** What holds keys and documents: no stage of the operator's reads it, wherever its module lies. */
function closedPaths({ dataDir, storageUrl, secretFiles }: Config): string[] {
  const place = placeOfStore(storageUrl);
  return [dataDir, ...("folder" in place ? [place.folder] : []), ...secretFiles];
}

/** Where an entry does not say where its bucket is, it is where the objects are. */
function s3SourcesOf({ s3Sources, s3Credentials, storageUrl }: Config): S3Sources {
  const place = placeOfStore(storageUrl);
  return createS3Sources(s3Sources, s3Credentials?.reveal() ?? null, "s3" in place ? place.s3 : undefined);
}

/** Where this process listens, for the guard that keeps callers from using it against itself. */
function ownAddresses(config: Config, publicUrl: string): OwnAddress[] {
  const { host, workerAddress } = config;
  // Port 0 is known only once it listens; without an own public address that is where clients reach it.
  const port = config.port || Number(URL.parse(publicUrl)?.port);
  const hosts = ["0.0.0.0", "::"].includes(host)
    ? Object.values(networkInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? [])
    : [host === "localhost" ? "127.0.0.1" : host];
  return [
    ...hosts.map((address) => ({ address, port })),
    ...(workerAddress ? [{ address: workerAddress.host, port: workerAddress.port }] : []),
  ];
}

/** A Redis that several installations may share, and what it calls this one. */
interface FoundRedis {
  readonly urls: readonly string[];
  readonly cluster: boolean;
  readonly name: string;
}

async function findRedis(urls: readonly string[], db: Database, logger: Logger): Promise<FoundRedis> {
  const [name, { cluster, error }] = await Promise.all([
    installationId(db.sql),
    isRedisCluster(urls, REDIS_ANSWER_MS),
  ]);
  if (error) {
    const hosts = urls.map((url) => new URL(url).host).join(", ");
    logger.warn(
      { redis: hosts },
      `Redis at ${hosts} cannot be used: ${error}. Jobs are taken from PostgreSQL until it answers. Start it, or correct REDIS_URL.`,
    );
  }
  return { urls, cluster, name };
}

async function startQueue(
  deps: { db: Database; bus: EventBus; redis: FoundRedis | null; leaseMs: number; logger: Logger },
  cleanup: Cleanup,
): Promise<Queue<ClaimedJob>> {
  const { db, bus, redis, logger } = deps;
  const claim = createClaims(deps);
  const wake = (ids: readonly string[]): void => bus.announce("work", ids);
  const parts = { db, claim, wake, logger, newTurn: randomUUID, random: Math.random };
  const postgres = createPostgresQueue(parts);
  const queue = redis
    ? createRedisQueue({
        ...parts,
        redis: connectRedis(redis.urls, { name: "queue", cluster: redis.cluster, logger }),
        name: redis.name,
        fallback: postgres,
      })
    : postgres;
  await queue.start();
  cleanup.add("queue", () => queue.stop());
  const reconciler = createReconciler({ db, queue, intervalMs: SWEEP_MS, logger });
  await reconciler.start();
  cleanup.add("reconciler", () => reconciler.stop());
  return queue;
}

async function startWorker(core: Core, modules: readonly string[], cleanup: Cleanup): Promise<Worker> {
  const { config, logger, metrics, leases, documents, store } = core;
  const folder = join(config.dataDir, "tmp");
  await removeLeftovers(folder);
  const tempDir = join(folder, `${process.pid}-${core.processId.slice(-6)}`);
  await mkdir(tempDir, { recursive: true, mode: 0o700 });
  const pool = createStagePool({
    size: config.workerConcurrency,
    maxRssBytes: config.parserMemoryBytes,
    idleProgressTimeoutMs: config.parserSilenceMs,
    maxDocumentsPerProcess: 200,
    oldSpaceMb: Math.floor(config.parserMemoryBytes / 1024 / 1024 / 2),
    customModules: modules,
    closedPaths: closedPaths(config),
    tempDir,
    path: config.path,
    logger,
  });
  const runJob = createJobRunner({
    leases,
    documents,
    remote: core.remote,
    pool,
    runHttp: createHttpStage({ egress: core.egress, pool, now: core.clock.now }),
    store,
    passwords: createSecretBox(core.masterKey, "document passwords"),
    secrets: createSecretBox(core.masterKey, PIPELINE_SECRETS),
    catalogue: core.catalogue,
    metrics,
    logger,
    tempDir,
    limits: config.limits,
    defaultTimeoutMs: DEFAULT_JOB_TIMEOUT_MS,
    defaultStageTimeoutMs: DEFAULT_STAGE_TIMEOUT_MS,
    now: monotonicMs,
    random: Math.random,
  });
  const worker = createWorker({
    leases,
    heartbeats: createHeartbeats(core.db, config.leaseMs),
    bus: core.bus,
    pool,
    runJob,
    logger,
    id: config.workerId ?? core.processId,
    instance: randomUUID(),
    host: config.hostname,
    version: VERSION,
    pid: process.pid,
    concurrency: config.workerConcurrency,
    // Workers count as alive for 30 s after a heartbeat, however long their leases are.
    heartbeatMs: Math.min(10_000, Math.floor(config.leaseMs / 3)),
    databaseUrl: core.databaseUrl,
    pollMs: POLL_MS,
    graceMs: config.graceMs,
    tempDir,
    clock: core.clock,
    random: Math.random,
  });
  await worker.start();
  cleanup.add("worker", () => worker.stop());
  return worker;
}

function checksOf(core: Core, workers: () => Promise<void>): HealthCheck[] {
  return [
    { name: "database", critical: true, check: () => core.db.ping(2_000) },
    ...(core.config.redisUrls ? [{ name: "redis", critical: false, check: () => core.queue.check() }] : []),
    { name: "storage", critical: true, check: () => core.store.check() },
    { name: "workers", critical: false, check: workers },
  ];
}

/** Reads, seals and ages the record of who did what. Servers do so, and not workers, which have documents about them. */
async function startAudit(core: Core, cleanup: Cleanup): Promise<Audit> {
  const { config, logger, clock } = core;
  const audit = createAudit({
    ...core,
    dataDir: config.dataDir,
    retentionDays: config.auditRetentionDays,
    now: clock.now,
  });
  await audit.start();
  cleanup.add("audit", () => audit.stop());
  core.metrics.onRead(async () => {
    try {
      await audit.refreshGauges();
    } catch (error) {
      logger.warn({ error: messageOf(error) }, "the gauges of the audit log could not be read");
    }
  });
  return audit;
}

function routesOf(core: Core, auth: Auth, record: Audit, startTime: Date) {
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
      ...unbuiltServices,
    ],
  };
}

/** What every call leaves in the audit log, and how it gets there. */
interface CallAudit {
  readonly writer: AuditWriter;
  readonly recorder: CallRecorder;
}

async function startCallAudit(core: Core, cleanup: Cleanup): Promise<CallAudit> {
  const { config, db, clock, logger, metrics } = core;
  const root = join(config.dataDir, "audit-spill");
  const writer = createAuditWriter({
    pool: db.dedicated({ name: "audit", max: AUDIT_CONNECTIONS, statementTimeoutMs: AUDIT_STATEMENT_MS }),
    spill: createSpill({ root, name: core.processId, maxBytes: config.auditSpillBytes }),
    now: clock.now,
    logger,
    metrics,
  });
  await writer.start();
  cleanup.add("audit writer", () => writer.stop());
  const recorder = createCallRecorder({ writer, floods: createFloodGate(clock.now), now: clock.now });
  await recorder.start();
  cleanup.add("audit of calls", () => recorder.stop());
  return { writer, recorder };
}

async function startRpc(
  core: Core,
  auth: Auth,
  { writer, recorder }: CallAudit,
  workers: () => Promise<void>,
  cleanup: Cleanup,
): Promise<RpcServer> {
  const { config, logger, metrics, documents } = core;
  const record = await startAudit(core, cleanup);
  const { services, system } = routesOf(core, auth, record, new Date(core.clock.now()));
  const rates = await startRateLimits(core, cleanup);
  const server = createRpcServer({
    addr: { host: config.host, port: config.port },
    tls: config.tls ? { cert: config.tls.cert, key: config.tls.key.reveal() } : undefined,
    hasHttps: config.tls !== null || config.publicUrl?.startsWith("https:") === true,
    services,
    authenticate: auth.authenticate,
    revalidate: auth.revalidate,
    checks: [
      ...checksOf(core, async () => {
        await workers();
        await system.checkWorkers();
      }),
      { name: "audit", critical: false, check: writer.check },
    ],
    onCallFinished: recorder.finished,
    assertChangeable: writer.assertAvailable,
    http: [
      ...(core.files ? [createFileRoutes(core.files, { onUploaded: documents.uploaded, logger })] : []),
      auth.jwks,
      createQueueRoute(system),
    ],
    corsOrigins: config.corsOrigins,
    trustedProxies: config.trustedProxies,
    rates,
    version: VERSION,
    logger,
    metrics,
  });
  const { url } = await server.start();
  cleanup.add("server", () => server.stop(config.graceMs));
  core.publicUrl.current ||= url;
  return server;
}

/** What lets in so many calls of an address or a user, on all servers together. */
async function startRateLimits(
  { config, db, redis, metrics, logger }: Core,
  cleanup: Cleanup,
): Promise<RateLimits> {
  const client =
    redis && connectRedis(redis.urls, { name: "rates", cluster: redis.cluster, logger, quiet: true });
  if (client) cleanup.add("rates in Redis", async () => client.disconnect());
  const rates = createRateLimits({
    ...config.rates,
    store: client ? createRedisRates(createRedisBuckets(client, redis.name)) : createPostgresRates(db.sql),
    now: monotonicMs,
    metrics,
    logger,
  });
  await rates.start();
  cleanup.add("rates", () => rates.stop());
  return rates;
}

function failureOf(core: Core): Promise<string> {
  if (!core.embedded) return new Promise(() => {});
  return core.embedded.exited.then(
    () => "The embedded database has ended; its log in the data folder tells why.",
  );
}

/** Starts the API and, unless told otherwise, a worker. On failure nothing half-started stays behind. */
export async function startServer(options: StartOptions & { worker: boolean }): Promise<RunningServer> {
  const { config, logger } = options;
  const cleanup = createCleanup(logger);
  try {
    const core = await startCore(options, "server", cleanup);
    const auth = await createAuth({
      db: core.db,
      config: { ...config, adminPassword: config.adminPassword?.reveal() ?? null },
      masterKey: core.masterKey,
      egress: core.egress,
      logger,
      clock: core.clock,
    });
    cleanup.add("auth", () => auth.stop());
    const callAudit = await startCallAudit(core, cleanup);
    let worker: Worker | null = null;
    // Side by side: document processes load while the edge plans its rules. Both are waited for, so that what
    // one has started is known when the other has failed.
    const [working, serving] = await Promise.allSettled([
      options.worker ? startWorker(core, options.stages ?? [], cleanup) : null,
      startRpc(core, auth, callAudit, async () => worker?.check(), cleanup),
    ]);
    if (serving.status === "rejected") throw serving.reason;
    if (working.status === "rejected") throw working.reason;
    const server = serving.value;
    worker = working.value;
    const url = core.publicUrl.current;
    await writeServerFile(config.dataDir, { url, pid: process.pid, databaseUrl: core.databaseUrl });
    cleanup.add("server file", () => removeServerFile(config.dataDir));
    return {
      url,
      auth,
      embedded: core.embedded !== null,
      worker: options.worker,
      failed: failureOf(core),
      // Both stop taking work first; what they run ends side by side.
      async stop() {
        await Promise.all([worker?.stop(), server.stop(config.graceMs)]);
        await cleanup.run();
      },
    };
  } catch (error) {
    await cleanup.run();
    throw await startFailure(error, options.database);
  }
}

/** Health and metrics of a worker process; it serves no calls. */
async function startWorkerHealth(core: Core, worker: Worker, cleanup: Cleanup): Promise<void> {
  const { config, logger, metrics } = core;
  if (!config.workerAddress) return;
  const checks = checksOf(core, async () => worker.check()).map((check) =>
    check.name === "workers" ? { ...check, critical: true } : check,
  );
  const server = createRpcServer({
    addr: config.workerAddress,
    services: [],
    authenticate: () => Promise.reject(new UnauthenticatedError()),
    checks,
    version: VERSION,
    logger,
    metrics,
  });
  await server.start();
  cleanup.add("health", () => server.stop(0));
}

/** Starts a worker alone. It needs a migrated database, and shares folders or object store with the servers. */
export async function startWorkerProcess(options: StartOptions): Promise<Running> {
  const cleanup = createCleanup(options.logger);
  try {
    const core = await startCore(options, "worker", cleanup);
    const worker = await startWorker(core, options.stages ?? [], cleanup);
    await startWorkerHealth(core, worker, cleanup);
    return { failed: Promise.race([failureOf(core), worker.displaced]), stop: () => cleanup.run() };
  } catch (error) {
    await cleanup.run();
    throw await startFailure(error, options.database);
  }
}

/** Runs one of the verbs of `sluice admin` on the database, and ends. */
export async function runAdmin<T>(options: StartOptions, act: (admin: AdminVerbs) => Promise<T>): Promise<T> {
  return await onDatabase(options, (db) =>
    act(createAdminVerbs({ db, audit: createAuditor(), passwords: createPasswords({ concurrency: 1 }) })),
  );
}

/** Runs one of the verbs of `sluice keys` on the database, and ends. @throws MasterKeyMissingError */
export async function runKeys<T>(options: StartOptions, act: (keys: KeyRotation) => Promise<T>): Promise<T> {
  const { config } = options;
  return await onDatabase(options, async (db) => {
    const masterKey = config.masterKey?.reveal() ?? (await readMasterKey(config.dataDir));
    if (!masterKey) throw new MasterKeyMissingError(config.dataDir);
    return await act(createKeyRotation({ db, audit: createAuditor(), masterKey }));
  });
}

async function onDatabase<T>(options: StartOptions, act: (db: Database) => Promise<T>): Promise<T> {
  const cleanup = createCleanup(options.logger);
  try {
    const { url } = await takeDatabase(options, cleanup);
    const db = await connectDatabase(
      url,
      { name: "admin", maxConnections: 1, logger: options.logger },
      cleanup,
    );
    await assertMigrated(db);
    return await act(db);
  } catch (error) {
    throw await startFailure(error, options.database);
  } finally {
    await cleanup.run();
  }
}

/** Brings the schema up to date and ends; answers the names of the migrations that ran. */
export async function runMigrations(options: StartOptions): Promise<string[]> {
  const cleanup = createCleanup(options.logger);
  try {
    const { url } = await takeDatabase(options, cleanup);
    const db = await connectDatabase(
      url,
      { name: "migrate", maxConnections: 1, logger: options.logger },
      cleanup,
    );
    return await migrate(db);
  } catch (error) {
    throw await startFailure(error, options.database);
  } finally {
    await cleanup.run();
  }
}

/**
 * Looks for what is wrong, mends what is safe if asked to, and ends. `tell` gets each check as it is done. It changes
 * nothing else: no migration runs, no key and no database is made.
 */
export async function runDoctor(
  options: StartOptions,
  { repair, all, programName }: { repair: boolean; all: boolean; programName: string },
  tell: (report: Report) => void,
): Promise<Outcome> {
  const { config, logger } = options;
  const redisUrls = config.redisUrls?.reveal() ?? null;
  const cleanup = createCleanup(logger);
  const deadlineMs = all ? DOCTOR_LONGEST_MS : DOCTOR_DEADLINE_MS;
  const machine = machineOf(config);
  try {
    let db: Database;
    try {
      const { url } = await takeDatabase(options, cleanup);
      db = await connectDatabase(url, { name: "doctor", maxConnections: 2, logger }, cleanup);
    } catch (missing) {
      return await examine(createChecksWithout(missing, machine), { repair, deadlineMs, tell });
    }
    const checks = createChecks({
      ...machine,
      db,
      audit: createAuditor(),
      masterKey: async () => config.masterKey?.reveal() ?? (await readMasterKey(config.dataDir)),
      auditHead: createHeadFile(config.dataDir, logger).read,
      openLine: redisUrls
        ? async () =>
            await openRedisLine({
              urls: redisUrls,
              name: await installationId(db.sql),
              timeoutMs: REDIS_ANSWER_MS,
              logger,
            })
        : null,
      sweep: () => sweepOnce(config, db, logger),
      sweepMs: SWEEP_MS,
      leaseMs: config.leaseMs,
      version: VERSION,
      program: programName,
      now: systemClock.now,
      all,
      recentJobs: DOCTOR_JOBS,
    });
    return await examine(checks, { repair, deadlineMs, tell });
  } finally {
    await cleanup.run();
  }
}

/** What of an installation lies outside its database. */
function machineOf(config: Config): MachineDeps {
  let files: string | null = null;
  try {
    const place = placeOfStore(config.storageUrl);
    if ("folder" in place) files = place.folder;
  } catch {
    // The check of the store says what is wrong.
  }
  return {
    // No link is signed with it.
    store: () =>
      createObjectStore(config.storageUrl, {
        publicUrl: () => "",
        signingSecret: randomBytes(32),
        clock: systemClock,
        s3Credentials: config.s3Credentials?.reveal() ?? null,
      }).store,
    storeFolder: files,
    places: [
      { name: "the data folder", path: config.dataDir },
      ...(files ? [{ name: "documents and results", path: files }] : []),
    ],
    redisUrls: config.redisUrls?.reveal() ?? null,
  };
}

/** One sweep, as servers and workers make it. */
async function sweepOnce(config: Config, db: Database, logger: Logger): Promise<Recovered[]> {
  // Where Redis holds the queue and carries wake-ups, reconciliation and polling find within seconds what it did.
  const bus = createEventBus({ transport: createNotifyTransport(db), processId: "doctor", logger });
  const claim = (): Promise<never> => Promise.reject(new Error("the doctor runs no jobs"));
  const wake = (ids: readonly string[]): void => bus.announce("work", ids);
  const queue = createPostgresQueue<ClaimedJob>({
    db,
    claim,
    wake,
    logger,
    newTurn: randomUUID,
    random: Math.random,
  });
  try {
    const clock = createDatabaseClock({ system: systemClock, logger });
    const metrics = createMetrics();
    return await createLeases({
      db,
      bus,
      queue,
      metrics,
      clock,
      leaseMs: config.leaseMs,
      retentionMs: config.retentionMs,
    }).sweep();
  } finally {
    await bus.stop();
  }
}
