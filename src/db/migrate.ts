import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { SluiceError } from "../lib/errors.ts";
import type { Database, Sql } from "./sql.ts";
import { assertWalls, raiseWalls } from "./walls.ts";

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
  constructor(missing: readonly string[], isEmpty: boolean) {
    const state = isEmpty
      ? "The database has no schema of Sluice yet"
      : `The schema of the database is older than this program, which misses ${missing.join(", ")}`;
    super(`${state}: run \`sluice migrate\` first.`, { missing: missing.join(",") });
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

/** How the schema of a database stands to the migrations of this program, by their names and in their order. */
export interface SchemaState {
  readonly ran: readonly string[];
  /** This program has them, and they have not run. */
  readonly missing: readonly string[];
  /** They ran, and this program does not know them: a newer one made them. */
  readonly unknown: readonly string[];
  /** They ran in another form than this program carries. */
  readonly edited: readonly string[];
}

/** Compares, and changes nothing; a database without any of our tables misses everything. */
export async function inspectSchema(sql: Sql): Promise<SchemaState> {
  return await compare(sql, await readMigrations());
}

async function compare(sql: Sql, all: readonly Migration[]): Promise<SchemaState> {
  const [table] = await sql<
    { present: boolean }[]
  >`select to_regclass('schema_migrations') is not null as present`;
  const done = table?.present
    ? await sql<{ name: string; hash: string }[]>`select name, hash from schema_migrations order by name`
    : [];
  const known = new Map(all.map(({ name, hash }) => [name, hash]));
  const ran = new Set(done.map(({ name }) => name));
  return {
    ran: [...ran],
    missing: all.map(({ name }) => name).filter((name) => !ran.has(name)),
    unknown: [...ran].filter((name) => !known.has(name)),
    edited: done
      .filter(({ name, hash }) => known.has(name) && known.get(name) !== hash)
      .map(({ name }) => name),
  };
}

/** What ran in the database and what is missing, in order. @throws SchemaMismatchError */
async function pending(
  sql: Sql,
  all: readonly Migration[],
): Promise<{ ran: readonly string[]; todo: Migration[] }> {
  const { ran, missing, unknown, edited } = await compare(sql, all);
  if (unknown[0] !== undefined) {
    throw new SchemaMismatchError(
      `The schema of the database is newer than this program, which does not know ${unknown[0]}: run the version of Sluice that made it, or restore a backup.`,
      { migration: unknown[0] },
    );
  }
  if (edited[0] !== undefined) {
    throw new SchemaMismatchError(
      `Migration ${edited[0]} ran in another form than this program carries: use the release that made this database.`,
      { migration: edited[0] },
    );
  }
  return { ran, todo: all.filter(({ name }) => missing.includes(name)) };
}

/**
 * Brings the schema up to this program's version: all missing files in one transaction, one process at a
 * time, so that a failure leaves the schema as it was. Returns the names of the files that ran. Then the walls between
 * owners stand. @throws SchemaMismatchError, WallMissingError
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
    const { todo } = await pending(lock, all);
    for (const migration of todo) {
      await lock.savepoint(async (step) => {
        await step.unsafe(migration.sql);
        await step`insert into schema_migrations (name, hash) values (${migration.name}, ${migration.hash})`;
      });
      ran.push(migration.name);
    }
    await raiseWalls(lock);
    return ran;
  });
}

/**
 * @throws SchemaOutdatedError when a migration is missing, SchemaMismatchError when the database is newer, WallMissingError
 * when the walls between owners do not stand
 */
export async function assertMigrated(db: Database): Promise<void> {
  const { ran, todo } = await pending(db.sql, await readMigrations());
  if (todo.length === 0) return await assertWalls(db);
  throw new SchemaOutdatedError(
    todo.map(({ name }) => name),
    ran.length === 0,
  );
}
