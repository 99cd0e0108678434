import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Auth, type AuthOptions, createAuth } from "../../../src/auth/auth.ts";
import { migrate } from "../../../src/db/migrate.ts";
import { type Database, openDatabase } from "../../../src/db/sql.ts";
import { createEgress } from "../../../src/egress/egress.ts";
import { parsePlaces } from "../../../src/lib/address-ranges.ts";
import type { Caller } from "../../../src/lib/caller.ts";
import { createTestDatabase } from "../../support/postgres.ts";

const open = (url: string): Database =>
  openDatabase({ url, maxConnections: 10, statementTimeoutMs: 10_000, applicationName: "test" });

async function migrateUrl(url: string): Promise<void> {
  const db = open(url);
  await migrate(db).finally(() => db.close());
}

/** A database of its own with the current schema, dropped at the end of an `await using`. */
export async function openTestDatabase(): Promise<Database & AsyncDisposable & { readonly url: string }> {
  const database = await createTestDatabase({ migrate: migrateUrl });
  const db = open(database.url);
  return {
    ...db,
    url: database.url,
    async [Symbol.asyncDispose]() {
      await db.close();
      await database.drop();
    },
  };
}

export const ADMIN = { email: "admin@example.com", password: "correct horse battery" };
export const PEER = { ipAddress: "192.0.2.1", userAgent: "test", requestId: "request-1" };

/** A test's time: it stands still until it is moved. */
export interface TestTime {
  advance(ms: number): void;
}

export interface AuthHarness extends AsyncDisposable {
  readonly db: Database;
  readonly dataDir: string;
  readonly masterKey: Uint8Array;
  readonly auth: Auth;
  readonly time: TestTime;
  /** What was warned of, with its fields. */
  readonly warnings: readonly object[];
  /** Another server process on the same database: its own pool and caches. */
  another(config?: Partial<AuthOptions["config"]>): Promise<Auth>;
  /** The caller that a credential stands for. */
  as(credential: string, auth?: Auth): Promise<Caller>;
  /** The reason of a refusal, or `ACCEPTED`. */
  outcome(work: Promise<unknown>): Promise<string>;
  /** A user with a password of its own, logged in. */
  userWith(
    role: string,
    email?: string,
  ): Promise<{ caller: Caller; email: string; password: string; id: string }>;
}

/** Auth on a database of its own, with the administrator `ADMIN`. */
export async function startAuth(config: Partial<AuthOptions["config"]> = {}): Promise<AuthHarness> {
  const db = await openTestDatabase();
  const dataDir = await mkdtemp(join(tmpdir(), "sluice-auth-"));
  const masterKey = randomBytes(32);
  const egress = createEgress({
    policy: { ...parsePlaces(["127.0.0.0/8"]), allowHttp: false },
    own: () => [],
  });
  const pools: Database[] = [];
  const warnings: object[] = [];
  const logger = {
    debug() {},
    info() {},
    warn: (fields: object, message: string) => void warnings.push({ ...fields, message }),
    error() {},
    child: () => logger,
  };
  let offset = 0;
  const options = (pool: Database, more: Partial<AuthOptions["config"]> = {}): AuthOptions => ({
    db: pool,
    config: {
      auth: "required",
      dataDir,
      publicUrl: null,
      adminEmail: ADMIN.email,
      adminPassword: ADMIN.password,
      oidcIssuers: [],
      signingKeyMs: null,
      ...config,
      ...more,
    },
    masterKey,
    egress,
    logger,
    clock: { now: () => Date.now() + offset },
    databaseTime: () => new Date(Date.now() + offset),
  });
  const auth = await createAuth(options(db));
  const all = [auth];
  const as = (credential: string, by = auth) =>
    by.authenticate(new Headers({ authorization: `Bearer ${credential}` }), PEER);
  return {
    db,
    dataDir,
    masterKey,
    auth,
    as,
    warnings,
    time: {
      advance(ms) {
        offset += ms;
      },
    },
    async another(more) {
      const pool = open(db.url);
      pools.push(pool);
      const other = await createAuth(options(pool, more));
      all.push(other);
      return other;
    },
    outcome: (work) =>
      work.then(
        () => "ACCEPTED",
        (error: { reason?: string }) => error.reason ?? String(error),
      ),
    async userWith(role, email = `${role}@example.com`) {
      const password = `password of ${email}`;
      const { user } = await auth.admin.createUser({ email, roles: [role], password });
      const { accessToken } = await auth.service.login({ email, password }, PEER);
      return { caller: await as(accessToken), email, password, id: user.id };
    },
    async [Symbol.asyncDispose]() {
      for (const one of all) await one.stop();
      for (const pool of pools) await pool.close();
      await egress.close();
      await db[Symbol.asyncDispose]();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
