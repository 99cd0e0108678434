/** The record of who did what, on a database and a data folder of its own. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AuditService as AuditServiceDesc } from "../../../gen/sluice/v1/audit_pb.ts";
import { createAuditor } from "../../../src/audit/auditor.ts";
import { createAuditKey } from "../../../src/audit/checkpoint.ts";
import type { LogFilter } from "../../../src/audit/entries.ts";
import { createHeadFile, type HeadFile } from "../../../src/audit/head-file.ts";
import type { AuditEntry } from "../../../src/audit/model.ts";
import { auditRoutes } from "../../../src/audit/rpc.ts";
import { createSealer, type Sealer } from "../../../src/audit/sealer.ts";
import { type AuditService, createAuditService } from "../../../src/audit/service.ts";
import { ALL_PERMISSIONS } from "../../../src/auth/permissions.ts";
import type { Database } from "../../../src/db/sql.ts";
import type { Caller } from "../../../src/lib/caller.ts";
import { newId } from "../../../src/lib/ids.ts";
import { createPageTokens } from "../../../src/rpc/pages.ts";
import { createRpcServer } from "../../../src/rpc/server.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";
import { createMetrics, type Metrics } from "../../../src/telemetry/metrics.ts";
import { openTestDatabase } from "../auth/harness.ts";

export const KEY = createAuditKey(Buffer.alloc(32, 7));
export const silent = createLogger("silent");

export const ANY: LogFilter = {
  start: null,
  end: null,
  userId: "",
  action: "",
  resourceType: "",
  resourceId: "",
  success: null,
  ipAddress: "",
};

export function callerWith(permissions: Iterable<string>, changes: Partial<Caller> = {}): Caller {
  return {
    userId: newId(),
    email: "someone@example.org",
    credential: "api_key",
    credentialId: newId(),
    permissions: new Set(permissions),
    expireTime: null,
    requestId: newId(),
    ipAddress: "192.0.2.1",
    userAgent: "test",
    ...changes,
  };
}

export interface Trail extends AsyncDisposable {
  readonly db: Database & { readonly url: string };
  readonly folder: string;
  readonly head: HeadFile;
  readonly sealer: Sealer;
  readonly service: AuditService;
  readonly metrics: Metrics;
  /** May do everything. */
  readonly admin: Caller;
  /** Moves the time of entries and checkpoints. */
  advance(ms: number): void;
  now(): number;
  /** Writes entries, one for each action. */
  write(actions: readonly string[], by?: Caller, entry?: Partial<AuditEntry>): Promise<void>;
  /** Runs statements as somebody does who may do everything in the database. */
  tamper(...statements: string[]): Promise<void>;
  /** Another server on the same database, with a data folder and a memory of its own. */
  another(): Promise<{ sealer: Sealer; head: HeadFile; service: AuditService }>;
}

export async function openTrail(): Promise<Trail> {
  const db = await openTestDatabase();
  const folder = await mkdtemp(join(tmpdir(), "sluice-audit-"));
  let offset = 0;
  const now = () => Date.now() + offset;
  const audit = createAuditor(now);
  const metrics = createMetrics();
  const partsIn = async (dataDir: string) => {
    const head = createHeadFile(dataDir, silent);
    const common = { db, audit, key: KEY, head, logger: silent, now };
    const sealer = createSealer(common);
    return { head, sealer, service: createAuditService({ ...common, sealer, metrics }) };
  };
  const parts = await partsIn(folder);
  const admin = callerWith(ALL_PERMISSIONS);
  return {
    db,
    folder,
    ...parts,
    metrics,
    admin,
    now,
    advance(ms) {
      offset += ms;
    },
    async write(actions, by = admin, entry = {}) {
      await audit.recordMany(
        db.sql,
        actions.map((action) => ({ actor: by, action, ...entry })),
      );
    },
    async tamper(...statements) {
      await db.begin(async (tx) => {
        await tx`set local session_replication_role = replica`;
        for (const statement of statements) await tx.unsafe(statement);
      });
    },
    another: async () => await partsIn(await mkdtemp(join(folder, "another-"))),
    async [Symbol.asyncDispose]() {
      await db[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** All bytes of an export. */
export async function exported(
  service: AuditService,
  caller: Caller,
  filter: LogFilter = ANY,
  format: "ndjson" | "csv" = "ndjson",
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of service.export(caller, filter, format, new AbortController().signal)) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The service behind the real edge; a credential is `Bearer` and the place of its caller in the list. */
export async function startWire(trail: Trail, callers: readonly Caller[]) {
  const server = createRpcServer({
    addr: { host: "127.0.0.1", port: 0 },
    services: [auditRoutes(trail.service, createPageTokens(Buffer.alloc(32, 1)))],
    authenticate: async (headers) => callers[Number(headers.get("authorization")?.slice(7))] as Caller,
    version: "test",
    logger: silent,
    metrics: createMetrics(),
  });
  const { url } = await server.start();
  return {
    url,
    client(caller: number): Client<typeof AuditServiceDesc> {
      const as: Interceptor = (next) => (request) => {
        request.header.set("authorization", `Bearer ${caller}`);
        return next(request);
      };
      return createClient(
        AuditServiceDesc,
        createConnectTransport({ baseUrl: url, httpVersion: "1.1", interceptors: [as] }),
      );
    },
    [Symbol.asyncDispose]: () => server.stop(0),
  };
}
