import { createAuditor } from "../audit/auditor.ts";
import { type AdminVerbs, createAdminVerbs } from "../auth/admin.ts";
import { MasterKeyMissingError } from "../auth/errors.ts";
import { createKeyRotation, type KeyRotation } from "../auth/key-rotation.ts";
import { readMasterKey } from "../auth/master-key.ts";
import { createPasswords } from "../auth/passwords.ts";
import { connectDatabase, startFailure } from "../database.ts";
import { assertMigrated, migrate } from "../db/migrate.ts";
import type { Database } from "../db/sql.ts";
import { createCleanup } from "../lib/cleanup.ts";
import { type StartOptions, takeDatabase } from "./start.ts";

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
