import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { SluiceError } from "../lib/errors.ts";
import type { Database, Sql } from "./sql.ts";

const FOLDER = new URL("./migrations/", import.meta.url);
/** Any number, the same in every process: the advisory lock that lets one of them migrate. */
const LOCK = 5_105_171_002;

/** The schema was made by a newer program, or a migration that ran was edited since. */
export class SchemaMismatchError extends SluiceError {
  override name = "SchemaMismatchError";
  readonly kind = "failed_precondition";
  readonly reason = "SCHEMA_MISMATCH";
}

/** The schema is older than the program and may not be changed by it. */
export class SchemaOutdatedError extends SluiceError {
  override name = "SchemaOutdatedError";
  readonly kind = "failed_precondition";
  readonly reason = "SCHEMA_OUTDATED";
  constructor(missing: readonly string[]) {
    super(
      `The database schema is older than this program: ${missing.length} migration(s) are missing (${missing.join(", ")}). Run \`sluice migrate\`.`,
      { missing: missing.join(",") },
    );
  }
}

interface Migration {
  readonly name: string;
  readonly sql: string;
  readonly hash: string;
}

async function readMigrations(): Promise<Migration[]> {
  const names = (await readdir(FOLDER)).filter((name) => /^\d{4}_[a-z_]+\.sql$/.test(name)).sort();
  return await Promise.all(
    names.map(async (name) => {
      const sql = await readFile(new URL(name, FOLDER), "utf8");
      return { name, sql, hash: createHash("sha256").update(sql).digest("hex") };
    }),
  );
}

/** What is missing in the database, in order. @throws SchemaMismatchError */
async function pending(sql: Sql, all: readonly Migration[]): Promise<Migration[]> {
  const done = await sql<
    { name: string; hash: string }[]
  >`select name, hash from schema_migrations order by name`;
  const known = new Map(all.map((migration) => [migration.name, migration]));
  for (const { name, hash } of done) {
    const migration = known.get(name);
    if (!migration) {
      throw new SchemaMismatchError(
        `The database was migrated by a newer Sluice (it has ${name}, which this program does not know). Run that version, or restore a backup.`,
        { migration: name },
      );
    }
    if (migration.hash !== hash) {
      throw new SchemaMismatchError(
        `Migration ${name} ran in another form than this program carries. Use the release that made this database.`,
        { migration: name },
      );
    }
  }
  const ran = new Set(done.map(({ name }) => name));
  return all.filter(({ name }) => !ran.has(name));
}

/**
 * Brings the schema up to this program's version: all missing files in one transaction, one process at a
 * time, so that a failure leaves the schema as it was. Returns the names of the files that ran.
 */
export async function migrate(db: Database): Promise<string[]> {
  const all = await readMigrations();
  // Migrations may run longer than any statement of the service, so they get a connection of their own.
  const { begin } = db.dedicated({ name: "migrate", max: 1, statementTimeoutMs: 15 * 60_000 });
  return await begin(async (lock) => {
    await lock`select pg_advisory_xact_lock(${LOCK})`;
    await lock`create table if not exists schema_migrations
      (name text primary key, hash text not null, ran_at timestamptz(3) not null default now())`;
    const ran: string[] = [];
    for (const migration of await pending(lock, all)) {
      await lock.savepoint(async (step) => {
        await step.unsafe(migration.sql);
        await step`insert into schema_migrations (name, hash) values (${migration.name}, ${migration.hash})`;
      });
      ran.push(migration.name);
    }
    return ran;
  });
}

/** @throws SchemaOutdatedError when a migration is missing, SchemaMismatchError when the database is newer */
export async function assertMigrated(db: Database): Promise<void> {
  const all = await readMigrations();
  const [table] = await db.sql<
    { present: boolean }[]
  >`select to_regclass('schema_migrations') is not null as present`;
  const missing = table?.present ? await pending(db.sql, all) : all;
  if (missing.length > 0) throw new SchemaOutdatedError(missing.map(({ name }) => name));
}
