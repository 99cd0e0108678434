import { mkdtemp, rm } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { createAuditor } from "../../src/audit/auditor.ts";
import { ALL_PERMISSIONS, BUILTIN_ROLES } from "../../src/auth/permissions.ts";
import { createDatabaseClock, type DatabaseClock } from "../../src/db/clock.ts";
import { migrate } from "../../src/db/migrate.ts";
import { type Database, openDatabase } from "../../src/db/sql.ts";
import { createEgress, type Egress } from "../../src/egress/egress.ts";
import { createEventBus, type EventBus } from "../../src/events/bus.ts";
import { createNotifyTransport } from "../../src/events/transport.ts";
import { DEFAULT_EXTRACT_LIMITS } from "../../src/extract/extractor.ts";
import type { JobRequest } from "../../src/jobs/create.ts";
import { createRemoteDocuments, type RemoteDocuments } from "../../src/jobs/documents/remote.ts";
import { createDocumentsService, type DocumentsService } from "../../src/jobs/documents/service.ts";
import { createExpiry, type Expiry } from "../../src/jobs/expiry.ts";
import { createHeartbeats, type Heartbeats } from "../../src/jobs/heartbeats.ts";
import { type ClaimedJob, createLeases, type Leases } from "../../src/jobs/leases.ts";
import { createQuotas, NO_QUOTAS, type QuotaLimits } from "../../src/jobs/quotas.ts";
import { createJobsService, type JobsService } from "../../src/jobs/service.ts";
import { parsePlaces } from "../../src/lib/address-ranges.ts";
import type { Caller } from "../../src/lib/caller.ts";
import { monotonicMs, systemClock } from "../../src/lib/clock.ts";
import { newId } from "../../src/lib/ids.ts";
import { createSecretBox } from "../../src/lib/secret-box.ts";
import {
  createPipelinesService,
  type PipelinesDeps,
  type PipelinesService,
} from "../../src/pipelines/service.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { createStageCatalogue } from "../../src/stages/catalogue.ts";
import { createStagePool, type StagePool } from "../../src/stages/host/pool.ts";
import { createObjectStore } from "../../src/storage/create-store.ts";
import type { ObjectStore } from "../../src/storage/object-store.ts";
import { createS3Sources } from "../../src/storage/s3/sources.ts";
import { createSystemService, type ServerFacts, type SystemService } from "../../src/system/service.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { createMetrics, type Metrics } from "../../src/telemetry/metrics.ts";
import { createHttpStage } from "../../src/worker/http-stage.ts";
import { createJobRunner } from "../../src/worker/run-job.ts";
import { createWorker, type Worker } from "../../src/worker/worker.ts";
import { createTestDatabase } from "./postgres.ts";
import { postgresQueueOn, redisQueueOn, type TestQueueRedis } from "./queues.ts";
import { S3_CREDENTIALS } from "./s3-credentials.ts";

export { until } from "./until.ts";

const MASTER_KEY = Buffer.alloc(32, 7);
const silent = createLogger("silent");

/** What one process of an installation is made of, without its edge. */
export interface Services {
  readonly documents: DocumentsService;
  readonly remote: RemoteDocuments;
  readonly expiry: Expiry;
  readonly pipelines: PipelinesService;
  readonly queue: Queue<ClaimedJob>;
  readonly jobs: JobsService;
  readonly leases: Leases;
  readonly heartbeats: Heartbeats;
  readonly system: SystemService;
}

/** The service without its edge, on a database and a folder of its own; gone at the end of the test. */
export interface Harness extends Services, AsyncDisposable {
  readonly databaseUrl: string;
  readonly db: Database;
  readonly clock: DatabaseClock;
  readonly bus: EventBus;
  readonly store: ObjectStore;
  /** Reaches this machine, and public addresses. */
  readonly egress: Egress;
  readonly metrics: Metrics;
  readonly retentionMs: number | null;
  /** What a service of pipelines is made of, but for its clock. */
  readonly pipelineParts: Omit<PipelinesDeps, "now">;
  /**
   * A further process on the same database and folder, with a memory of its own. `on` may be `db`, and `objects` the
   * store, with faults; the queue is in Postgres unless it is given.
   */
  newProcess(on?: Database, queue?: Queue<ClaimedJob>, objects?: ObjectStore): Services;
  /** A user with the role `developer`, or with the permissions that are named. */
  caller(permissions?: readonly string[]): Caller;
  /** An administrator. */
  readonly admin: Caller;
  /** A started worker with real document processes; stopped at the end of the test. */
  startWorker(options?: { concurrency?: number; graceMs?: number }): Promise<Worker>;
}

/**
 * @param options.leaseMs how long a lease holds; short ones let a test see it run out
 * @param options.retentionMs how long ended jobs are kept; without it until they are deleted
 * @param options.storageUrl the store; without it a folder
 * @param options.s3Sources buckets that documents may be fetched from
 * @param options.quotas what one user may have; without it as much as there is room for
 * @param options.redis holds the queue; without it Postgres does
 */
export async function createHarness(
  options: {
    leaseMs?: number;
    redis?: TestQueueRedis;
    retentionMs?: number | null;
    storageUrl?: string;
    s3Sources?: readonly string[];
    quotas?: QuotaLimits;
  } = {},
): Promise<Harness> {
  const { leaseMs = 30_000, redis, retentionMs = null } = options;
  const database = await createTestDatabase({ migrate: migrateUrl });
  const folder = await mkdtemp(join(tmpdir(), "sluice-test-"));
  const db = openDatabase({
    url: database.url,
    maxConnections: 8,
    statementTimeoutMs: 30_000,
    applicationName: "sluice-test",
  });
  const bus = createEventBus({ transport: createNotifyTransport(db), processId: newId(), logger: silent });
  await bus.start();
  const metrics = createMetrics();
  const { store } = createObjectStore(options.storageUrl ?? join(folder, "files"), {
    publicUrl: () => "http://127.0.0.1:1",
    signingSecret: MASTER_KEY,
    clock: systemClock,
    s3Credentials: S3_CREDENTIALS,
  });
  const passwords = createSecretBox(MASTER_KEY, "document passwords");
  const secrets = createSecretBox(MASTER_KEY, "pipeline secrets");
  const catalogue = createStageCatalogue();
  const clock = createDatabaseClock({ system: systemClock, logger: silent });
  const { now } = clock;
  // Databases made from one template would else be one installation.
  await db.sql`update queue_state set installation = gen_random_uuid()`;
  const partsOf = (on: Database) => ({
    db: on,
    audit: createAuditor(),
    secrets,
    catalogue,
    requestHashKey: MASTER_KEY,
    newId,
  });
  const egress = createEgress({
    policy: { ...parsePlaces(["127.0.0.0/8"]), allowHttp: false },
    own: () => [],
  });
  const newProcess = (
    on: Database = db,
    queue = postgresQueueOn(on, bus, leaseMs),
    objects: ObjectStore = store,
  ): Services => {
    const audit = createAuditor();
    const quotas = options.quotas ? createQuotas(options.quotas) : NO_QUOTAS;
    const pipelines = createPipelinesService({ ...partsOf(on), now });
    const documents = createDocumentsService({
      db: on,
      store: objects,
      audit,
      newId,
      retentionMs,
      maxBytes: 64 * 1024 * 1024,
      quotas,
    });
    const remote = createRemoteDocuments({
      db: on,
      store: objects,
      egress,
      buckets: createS3Sources(options.s3Sources ?? [], S3_CREDENTIALS),
      uris: passwords,
      newId,
    });
    const leases = createLeases({ db: on, bus, queue, metrics, clock, leaseMs, retentionMs });
    const expiry = createExpiry({ db: on, store: objects, audit, documents });
    const heartbeats = createHeartbeats(on, leaseMs);
    const jobs = createJobsService({
      db: on,
      documents,
      remote,
      expiry,
      retentionMs,
      pipelines,
      audit,
      bus,
      queue,
      store,
      metrics,
      quotas,
      passwords,
      requestHashKey: MASTER_KEY,
      newId,
      now,
    });
    const system = createSystemService({ db: on, audit, queue, facts: {} as ServerFacts, metrics, now });
    return { documents, remote, expiry, pipelines, queue, jobs, leases, heartbeats, system };
  };
  const services = redis ? newProcess(db, await redisQueueOn(db, bus, leaseMs, redis)) : newProcess();
  const { documents, remote, leases, heartbeats, queue } = services;
  const workers: Worker[] = [];
  const callerWith = (permissions: Iterable<string>): Caller => ({
    userId: newId(),
    email: "someone@example.org",
    credential: "api_key",
    credentialId: newId(),
    permissions: new Set(permissions),
    expireTime: null,
    requestId: newId(),
    ipAddress: "127.0.0.1",
    userAgent: "test",
  });
  return {
    databaseUrl: database.url,
    db,
    clock,
    bus,
    store,
    egress,
    metrics,
    retentionMs,
    pipelineParts: partsOf(db),
    ...services,
    newProcess,
    caller: (permissions) => callerWith(permissions ?? BUILTIN_ROLES.get("developer")?.permissions ?? []),
    admin: callerWith(ALL_PERMISSIONS),
    async startWorker({ concurrency = 2, graceMs = 5_000 } = {}) {
      const tempDir = await mkdtemp(join(folder, "worker-"));
      const pool: StagePool = createStagePool({
        size: concurrency,
        maxRssBytes: 1024 * 1024 * 1024,
        idleProgressTimeoutMs: 60_000,
        maxDocumentsPerProcess: 100,
        oldSpaceMb: 512,
        warmUp: false,
        tempDir,
        logger: silent,
      });
      const runJob = createJobRunner({
        leases,
        documents,
        remote,
        pool,
        runHttp: createHttpStage({ egress, pool, now }),
        store,
        passwords,
        secrets,
        catalogue,
        metrics,
        logger: silent,
        tempDir,
        limits: DEFAULT_EXTRACT_LIMITS,
        defaultTimeoutMs: 600_000,
        defaultStageTimeoutMs: 60_000,
        now: monotonicMs,
        random: Math.random,
      });
      const worker = createWorker({
        leases,
        heartbeats,
        databaseUrl: database.url,
        bus,
        pool,
        runJob,
        logger: silent,
        id: `test-${newId()}`,
        instance: newId(),
        host: hostname(),
        version: "test",
        pid: process.pid,
        concurrency,
        heartbeatMs: Math.floor(leaseMs / 3),
        pollMs: 250,
        graceMs,
        tempDir,
        clock,
        random: Math.random,
      });
      await worker.start();
      workers.push(worker);
      return worker;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(workers.map((worker) => worker.stop()));
      await queue.stop();
      await egress.close();
      await bus.stop();
      await db.close();
      await database.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function migrateUrl(url: string): Promise<void> {
  const db = openDatabase({
    url,
    maxConnections: 1,
    statementTimeoutMs: 60_000,
    applicationName: "sluice-test-migrate",
  });
  try {
    await migrate(db);
  } finally {
    await db.close();
  }
}

/** A request for a job on a text, with everything else at its default. */
export function textRequest(text: string, changes: Partial<JobRequest> = {}): JobRequest {
  return {
    pipelineId: "",
    pipelineName: "",
    pipelineVersion: 0,
    source: { kind: "text", text, filename: "" },
    priority: "NORMAL",
    labels: {},
    parameters: {},
    password: "",
    runTime: null,
    timeoutMs: null,
    maxAttempts: 0,
    requestId: "",
    concurrencyKey: "",
    concurrencyLimit: 0,
    ...changes,
  };
}
