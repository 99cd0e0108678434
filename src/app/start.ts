import type { Config } from "../config.ts";
import type { FoundDatabase } from "../database.ts";
import type { Cleanup } from "../lib/cleanup.ts";
import type { Logger } from "../telemetry/logger.ts";

/** What every process and every command on the database is started with. */
export interface StartOptions {
  readonly config: Config;
  readonly logger: Logger;
  /** Run missing migrations; otherwise an outdated schema is an error. */
  readonly migrate: boolean;
  /** Begun by whoever calls, so that the database starts while the service is loaded. */
  readonly database: Promise<FoundDatabase>;
  /** Modules with stages of the operator's. */
  readonly stages?: readonly string[];
}

/** A running process; `stop` ends it in good order, `failed` settles when a part it cannot do without has ended. */
export interface Running {
  readonly failed: Promise<string>;
  stop(): Promise<void>;
}

/** Waits for the database; an embedded one ends with the cleanup. @throws what kept it from being found or started */
export async function takeDatabase(options: StartOptions, cleanup: Cleanup): Promise<FoundDatabase> {
  const found = await options.database;
  if (found.embedded) {
    const { embedded } = found;
    cleanup.add("database server", () => embedded.stop());
  }
  return found;
}
