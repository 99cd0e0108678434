import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "./config.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./db/embedded.ts";
import { type Database, isConnectionLoss, openDatabase, sqlState } from "./db/sql.ts";
import type { Cleanup } from "./lib/cleanup.ts";
import { messageOf } from "./lib/errors.ts";
import { readServerFile } from "./server-file.ts";
import type { Logger } from "./telemetry/logger.ts";

export const STATEMENT_TIMEOUT_MS = 30_000;
const DATABASE_ANSWER_MS = 15_000;
/** How long a database that says that it is starting is waited for: recovery after a crash takes its time. */
const DATABASE_START_MS = 60_000;
const LOOK_AGAIN_MS = 500;
/** SQLSTATE of a server that is starting, stopping or in recovery. */
const CANNOT_CONNECT_NOW = "57P03";

/** No database is configured and none may be started. */
class DatabaseMissingError extends Error {
  override name = "DatabaseMissingError";
}

/** The database that is named does not answer, or lets nobody in. */
class DatabaseUnreachableError extends Error {
  override name = "DatabaseUnreachableError";
}

/** Connections to a database that has answered; one that is starting is waited for. @throws DatabaseUnreachableError */
export async function connectDatabase(
  url: string,
  options: { name: string; maxConnections: number; logger: Logger; startMs?: number },
  cleanup: Cleanup,
): Promise<Database> {
  const { name, maxConnections, logger, startMs = DATABASE_START_MS } = options;
  const db = openDatabase({
    url,
    maxConnections,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    applicationName: `sluice-${name}`,
  });
  cleanup.add("database connections", () => db.close());
  await untilAnswered(db, { host: new URL(url).host, startMs, logger });
  return db;
}

async function untilAnswered(
  db: Database,
  { host, startMs, logger }: { host: string; startMs: number; logger: Logger },
): Promise<void> {
  const begun = performance.now();
  let waits = false;
  for (;;) {
    try {
      await db.ping(DATABASE_ANSWER_MS);
      return;
    } catch (error) {
      const isStarting = sqlState(error) === CANNOT_CONNECT_NOW;
      const isOver = performance.now() - begun >= startMs;
      // A server that starts anew listens to nobody for a moment.
      if (!isStarting && (isOver || !waits || !isConnectionLoss(error))) {
        throw new DatabaseUnreachableError(
          `The database at ${host} does not let us in: ${messageOf(error)}. Start it, or correct DATABASE_URL.`,
        );
      }
      if (isOver) {
        throw new DatabaseUnreachableError(
          `The database at ${host} lets nobody in yet: ${messageOf(error)}. It was waited for ${startMs / 1_000} s; look into its log, and start this again when it is ready.`,
        );
      }
      if (!waits)
        logger.warn({ database: host, error: messageOf(error) }, "waiting for the database to start");
      waits = true;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

/** What to tell of a start that has failed: a database that went away in its middle gets a sentence of its own. */
export async function startFailure(error: unknown, database: Promise<FoundDatabase>): Promise<unknown> {
  if (!isConnectionLoss(error)) return error;
  const { url } = await database;
  return new DatabaseUnreachableError(
    `The database at ${new URL(url).host} went away in the middle of the start: ${messageOf(error)}. Start this again when the database is there.`,
  );
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
  if (config.databaseUrl) return { url: config.databaseUrl.reveal(), embedded: null };
  if (options.embedded && !create && !existsSync(join(dataDir, "pgdata"))) {
    throw new DatabaseMissingError(
      `No database: DATABASE_URL is not set, and no server has made one in ${config.dataDir} yet. Set DATABASE_URL or SLUICE_DATA_DIR, or run \`sluice migrate\` or \`sluice serve\` first.`,
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
