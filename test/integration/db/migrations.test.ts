import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import {
  assertMigrated,
  migrate,
  SchemaMismatchError,
  SchemaOutdatedError,
} from "../../../src/db/migrate.ts";
import { type Database, openDatabase } from "../../../src/db/sql.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";

const files = readdirSync(new URL("../../../src/db/migrations/", import.meta.url)).sort();

function open({ url }: TestDatabase): Database & AsyncDisposable {
  const db = openDatabase({
    url,
    maxConnections: 2,
    statementTimeoutMs: 30_000,
    applicationName: "sluice-test",
  });
  return { ...db, [Symbol.asyncDispose]: () => db.close() };
}

test("migrations bring an empty database to the schema, and a second run finds nothing to do", async () => {
  await using database = await createTestDatabase();
  await using db = open(database);
  await expect(assertMigrated(db)).rejects.toThrow(SchemaOutdatedError);
  expect(await migrate(db)).toEqual(files);
  await assertMigrated(db);
  expect(await migrate(db)).toEqual([]);
});

test("processes that migrate at once run each migration once", async () => {
  await using database = await createTestDatabase();
  await using one = open(database);
  await using two = open(database);
  const ran = await Promise.all([migrate(one), migrate(two)]);
  expect(ran.flat()).toEqual(files);
  await Promise.all([assertMigrated(one), assertMigrated(two)]);
});

test("a schema of a newer program, or of a migration edited since, is refused and left alone", async () => {
  await using database = await createTestDatabase();
  await using db = open(database);
  await migrate(db);
  await db.sql`insert into schema_migrations (name, hash) values ('9999_future.sql', 'x')`;
  await expect(migrate(db)).rejects.toThrow(SchemaMismatchError);
  await expect(assertMigrated(db)).rejects.toThrow("9999_future.sql");
  await db.sql`delete from schema_migrations where name = '9999_future.sql'`;
  await assertMigrated(db);
  await db.sql`update schema_migrations set hash = 'x' where name = ${files[0] ?? ""}`;
  await expect(migrate(db)).rejects.toThrow(files[0]);
});
