import { migrate } from "../../../src/db/migrate.ts";
import { type Database, openDatabase } from "../../../src/db/sql.ts";
import { createTestDatabase } from "../../support/postgres.ts";

const open = (url: string): Database =>
  openDatabase({ url, maxConnections: 10, statementTimeoutMs: 10_000, applicationName: "test" });

async function migrateUrl(url: string): Promise<void> {
  const db = open(url);
  await migrate(db).finally(() => db.close());
}

/** A database of its own with the current schema, dropped at the end of an `await using`. */
export async function openTestDatabase(): Promise<Database & AsyncDisposable> {
  const database = await createTestDatabase({ migrate: migrateUrl });
  const db = open(database.url);
  return {
    ...db,
    async [Symbol.asyncDispose]() {
      await db.close();
      await database.drop();
    },
  };
}
