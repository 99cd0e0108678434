import { resolve } from "node:path";
import { messageOf, SluiceError } from "../lib/errors.ts";
import { chooseInstallation } from "./embedded/choose.ts";
import { ensureCluster, existingCluster, makeDataDir, SUPERUSER } from "./embedded/cluster.ts";
import { DataDirAccessError } from "./embedded/errors.ts";
import type { IdentityKind } from "./embedded/identity.ts";
import { stopOrphans } from "./embedded/orphans.ts";
import { lockDataDir } from "./embedded/owner-lock.ts";
import { startServer } from "./embedded/server.ts";

export * from "./embedded/errors.ts";

/** The part of a logger that is used here. */
export interface EmbeddedLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface EmbeddedPostgresOptions {
  /** A folder for the database alone: cluster, password, logs and lock lie in it. Created when missing. */
  readonly dataDir: string;
  /** Where binaries may be copied when they cannot run where they are installed; 62 MB. */
  readonly cacheDir?: string;
  readonly logger?: EmbeddedLogger;
  /** Keep to these ways of running the server instead of the ones that suit the machine. */
  readonly identities?: readonly IdentityKind[];
  /** The port to listen on, for whoever must find the next start where this one was; without it a free one. */
  readonly port?: number;
}

export interface EmbeddedPostgres {
  /** `postgres://…` with the password; listens on 127.0.0.1 only, on another port at each start unless one was given. */
  readonly url: string;
  readonly pid: number;
  /** From the call until connections were accepted. */
  readonly startMs: number;
  /** True when this start made the database. */
  readonly initialized: boolean;
  /** Settles when the server has ended, by `stop` or by itself. */
  readonly exited: Promise<void>;
  /** Ends the server (open transactions are rolled back) and gives the folder free. May be called twice. */
  stop(): Promise<void>;
}

/**
 * Starts a PostgreSQL server of our own on `dataDir`. Everything that was committed is there again, however
 * the last one ended. The server ends with the thread that calls this, even when that is killed; so call it from
 * the main thread.
 * @throws DataDirInUseError, DataDirVersionError, DataDirAccessError, PasswordLostError, PostgresUnavailableError, PostgresStartError
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const begun = performance.now();
  const dataDir = resolve(options.dataDir);
  const lock = await claim(dataDir);
  try {
    const existing = await existingCluster(dataDir);
    const ended = existing ? await stopOrphans(`${dataDir}/pgdata`) : 0;
    if (ended > 0)
      options.logger?.warn({ dataDir, processes: ended }, "stopped a database server left by a dead process");
    const server = await chooseInstallation({
      dataDir,
      cacheDir: resolve(
        options.cacheDir ?? (process.getuid?.() === 0 ? "/var/lib/sluice" : `${dataDir}/cache`),
      ),
      existing,
      only: options.identities,
    });
    const { password } = await ensureCluster(dataDir, server, existing);
    const running = await startServer(server, dataDir, options.port);
    const startMs = Math.round(performance.now() - begun);
    const { pid, port, exited } = running;
    const fields = { pid, port, startMs, as: server.identity.kind, initialized: existing === null };
    options.logger?.info(fields, "embedded PostgreSQL is ready");
    let stopping: Promise<void> | undefined;
    return {
      url: `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/postgres`,
      pid,
      startMs,
      initialized: existing === null,
      exited,
      stop: () => (stopping ??= running.stop().finally(() => lock.release())),
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function claim(dataDir: string): Promise<{ release(): void }> {
  try {
    await makeDataDir(dataDir);
    return lockDataDir(dataDir);
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    throw new DataDirAccessError(dataDir, new Error(messageOf(error)));
  }
}
