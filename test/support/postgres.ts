import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { lockDataDir } from "../../src/db/embedded/owner-lock.ts";
import { startEmbeddedPostgres } from "../../src/db/embedded.ts";

/** Brings an empty database to the current schema, and leaves no connection open. */
export type Migrate = (url: string) => Promise<void>;

/** A database of one test, dropped by `drop` or at the end of an `await using`. */
export interface TestDatabase {
  readonly url: string;
  readonly name: string;
  drop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const FOLDER = "sluice-test-pg-";
const LEFTOVER_AGE_MS = 60_000;
const NAME_PREFIX = "sluice_test";

/**
 * The one server of a test run: `DATABASE_URL_TEST` if set, else an embedded one. Call it in vitest's global
 * setup and `stop` in its teardown; the workers find it by the environment.
 */
export async function startTestPostgres(): Promise<{ url: string; stop(): Promise<void> }> {
  process.env.SLUICE_TEST_RUN = randomBytes(4).toString("hex");
  const given = process.env.DATABASE_URL_TEST;
  if (given) return { url: given, stop: () => dropAllOfRun(given) };
  await removeLeftovers();
  const dataDir = await mkdtemp(join(tmpdir(), FOLDER));
  const server = await startEmbeddedPostgres({ dataDir });
  process.env.DATABASE_URL_TEST = server.url;
  return {
    url: server.url,
    async stop() {
      delete process.env.DATABASE_URL_TEST;
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

let own: Promise<string> | undefined;

/** The run's server; without a global setup, one that lives as long as this process. */
function serverUrl(): Promise<string> {
  own ??= process.env.SLUICE_TEST_RUN
    ? Promise.resolve(process.env.DATABASE_URL_TEST ?? "")
    : startTestPostgres().then(({ url }) => url);
  return own;
}

/**
 * A fresh database, empty or, with `migrate`, a copy of a template that is migrated once per run (about 30 ms).
 * A template belongs to the source text of `migrate`, so what it calls must not change within a run.
 */
export async function createTestDatabase(options: { migrate?: Migrate } = {}): Promise<TestDatabase> {
  const server = await serverUrl();
  const prefix = `${NAME_PREFIX}_${process.env.SLUICE_TEST_RUN}`;
  const name = `${prefix}_${randomBytes(6).toString("hex")}`;
  const template = options.migrate ? await migratedTemplate(server, prefix, options.migrate) : "template1";
  await admin(server, (sql) => sql`create database ${sql(name)} template ${sql(template)}`);
  const drop = async (): Promise<void> => {
    await admin(server, (sql) => sql`drop database if exists ${sql(name)} with (force)`);
  };
  return { url: withDatabase(server, name), name, drop, [Symbol.asyncDispose]: drop };
}

const templates = new Map<string, Promise<string>>();

function migratedTemplate(server: string, prefix: string, migrate: Migrate): Promise<string> {
  // By its text, since every worker of a run has a function object of its own.
  const kind = createHash("sha256").update(migrate.toString()).digest("hex").slice(0, 8);
  const name = `${prefix}_template_${kind}`;
  const known = templates.get(name) ?? buildTemplate(server, name, migrate);
  templates.set(name, known);
  return known;
}

async function buildTemplate(server: string, name: string, migrate: Migrate): Promise<string> {
  await admin(server, async (sql) => {
    // Session lock: the workers of a run come here at the same moment, and one of them builds.
    await sql`select pg_advisory_lock(hashtext(${name}))`;
    const [built] = await sql`select 1 from pg_database where datname = ${name}`;
    if (built) return;
    const draft = `${name}_draft`;
    await sql`drop database if exists ${sql(draft)} with (force)`;
    await sql`create database ${sql(draft)}`;
    await migrate(withDatabase(server, draft));
    await sql`alter database ${sql(draft)} with allow_connections false`;
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${draft}`;
    await sql`alter database ${sql(draft)} rename to ${sql(name)}`;
  });
  return name;
}

async function admin<T>(server: string, work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(server, { max: 1, onnotice: () => {}, fetch_types: false });
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

async function dropAllOfRun(server: string): Promise<void> {
  const like = `${NAME_PREFIX}\\_${process.env.SLUICE_TEST_RUN}\\_%`;
  await admin(server, async (sql) => {
    for (const { name } of await sql<{ name: string }[]>`
      select datname as name from pg_database where datname like ${like}`) {
      await sql`drop database if exists ${sql(name)} with (force)`;
    }
  });
}

function withDatabase(server: string, name: string): string {
  const url = new URL(server);
  url.pathname = `/${name}`;
  return url.href;
}

/** Removes the folders of runs that were killed; one whose owner lives is locked and stays. */
async function removeLeftovers(): Promise<void> {
  for (const entry of (await readdir(tmpdir())).filter((name) => name.startsWith(FOLDER))) {
    const folder = join(tmpdir(), entry);
    try {
      if (Date.now() - (await stat(folder)).mtimeMs < LEFTOVER_AGE_MS) continue;
      const lock = lockDataDir(folder);
      await rm(folder, { recursive: true, force: true });
      lock.release();
    } catch {
      // In use, or another user's: not ours to remove.
    }
  }
}
