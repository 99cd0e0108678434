import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "./config.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./db/embedded.ts";
import { type Database, openDatabase } from "./db/sql.ts";
import type { Cleanup } from "./lib/cleanup.ts";
import { messageOf } from "./lib/errors.ts";
import { readServerFile } from "./server-file.ts";
import type { Logger } from "./telemetry/logger.ts";

export const STATEMENT_TIMEOUT_MS = 30_000;
const DATABASE_ANSWER_MS = 15_000;

/** No database is configured and none may be started. */
class DatabaseMissingError extends Error {
  override name = "DatabaseMissingError";
}

/** The database that is named does not answer, or lets nobody in. */
class DatabaseUnreachableError extends Error {
  override name = "DatabaseUnreachableError";
}

/** Connections to a database that has answered. @throws DatabaseUnreachableError */
export async function connectDatabase(
  url: string,
  { name, maxConnections }: { name: string; maxConnections: number },
  cleanup: Cleanup,
): Promise<Database> {
  const db = openDatabase({
    url,
    maxConnections,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    applicationName: `sluice-${name}`,
  });
  cleanup.add("database connections", () => db.close());
  try {
    await db.ping(DATABASE_ANSWER_MS);
  } catch (error) {
    throw new DatabaseUnreachableError(
      `The database at ${new URL(url).host} does not let us in: ${messageOf(error)}. Start it, or correct DATABASE_URL.`,
    );
  }
  return db;
}

/** The database to use; `embedded` when it was started by this process, which then has to stop it. */
export interface FoundDatabase {
  readonly url: string;
  readonly embedded: EmbeddedPostgres | null;
}

/**
 * The configured database, else one of our own in the data folder if that may be started, else the one that a server
 * runs there. With `create: false` nothing is made: a data folder without a database counts as one that has none.
 * @throws DatabaseMissingError
 */
export async function findDatabase(options: {
  config: Config;
  logger: Logger;
  embedded: boolean;
  create?: boolean;
}): Promise<FoundDatabase> {
  const { config, logger, create = true } = options;
  const dataDir = join(config.dataDir, "postgres");
  if (create) await mkdir(config.dataDir, { recursive: true, mode: 0o700 });
  if (config.databaseUrl) return { url: config.databaseUrl, embedded: null };
  if (options.embedded && !create && !existsSync(join(dataDir, "pgdata"))) {
    throw new DatabaseMissingError(
      `No database: DATABASE_URL is not set, and no server has made one in ${config.dataDir} yet. Set DATABASE_URL or SLUICE_DATA_DIR, or start \`sluice serve\` first.`,
    );
  }
  if (options.embedded) {
    const embedded = await startEmbeddedPostgres({ dataDir, logger });
    return { url: embedded.url, embedded };
  }
  const server = await readServerFile(config.dataDir);
  if (server) return { url: server.databaseUrl, embedded: null };
  throw new DatabaseMissingError(
    `No database: DATABASE_URL is not set and no server has its own running in ${config.dataDir}. Set DATABASE_URL, or start \`sluice serve\` first.`,
  );
}
