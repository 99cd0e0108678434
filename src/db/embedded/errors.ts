import { SluiceError } from "../../lib/errors.ts";

/** Another program holds the data folder. */
export class DataDirInUseError extends SluiceError {
  override name = "DataDirInUseError";
  readonly kind = "failed_precondition";
  readonly reason = "DATA_DIR_IN_USE";
  constructor(dataDir: string, pid: string) {
    super(`${dataDir} is used by process ${pid}; stop it or choose another SLUICE_DATA_DIR.`, {
      data_dir: dataDir,
      pid,
    });
  }
}

/** The data folder was written by another major version of PostgreSQL. */
export class DataDirVersionError extends SluiceError {
  override name = "DataDirVersionError";
  readonly kind = "failed_precondition";
  readonly reason = "DATA_DIR_VERSION";
  constructor(dataDir: string, found: string, wanted: string) {
    super(
      `${dataDir} was made by PostgreSQL ${found}, but this build brings PostgreSQL ${wanted}. To move: start PostgreSQL ${found} on it, ` +
        `save it with pg_dumpall, start Sluice with an empty SLUICE_DATA_DIR and load the dump with psql; or run PostgreSQL ${found} yourself and set DATABASE_URL.`,
      { data_dir: dataDir, found, wanted },
    );
  }
}

/** The data folder cannot be used by this user. */
export class DataDirAccessError extends SluiceError {
  override name = "DataDirAccessError";
  readonly kind = "failed_precondition";
  readonly reason = "DATA_DIR_NOT_USABLE";
  constructor(dataDir: string, cause: unknown) {
    super(
      `${dataDir} cannot be created or written by this user; start Sluice as the folder's owner or choose another SLUICE_DATA_DIR.`,
      { data_dir: dataDir },
      { cause },
    );
  }
}

/** The cluster stands but its password file is gone. */
export class PasswordLostError extends SluiceError {
  override name = "PasswordLostError";
  readonly kind = "failed_precondition";
  readonly reason = "DATABASE_PASSWORD_LOST";
  constructor(passwordFile: string) {
    super(
      `The database password is missing: ${passwordFile} does not exist. Bring it back from a backup, or choose another SLUICE_DATA_DIR to begin anew.`,
      { password_file: passwordFile },
    );
  }
}

/** No way was found to run a PostgreSQL server here. */
export class PostgresUnavailableError extends SluiceError {
  override name = "PostgresUnavailableError";
  readonly kind = "failed_precondition";
  readonly reason = "POSTGRES_UNAVAILABLE";
  constructor(tried: readonly string[]) {
    super(
      `No PostgreSQL could be run on this machine (${tried.join("; ")}). Run npm install without --omit=optional, ` +
        "install PostgreSQL (Debian, Ubuntu: apt-get install postgresql), or set DATABASE_URL to a running one.",
      { tried: tried.join("; ") },
    );
  }
}

/** The server was started and did not come up. */
export class PostgresStartError extends SluiceError {
  override name = "PostgresStartError";
  readonly kind = "unavailable";
  readonly reason = "POSTGRES_START_FAILED";
  constructor(what: string, detail: string, dataDir: string) {
    super(
      `The embedded PostgreSQL did not start: ${what}. Its last words in ${dataDir}: ${detail || "(none)"}`,
      {
        what,
        detail,
        data_dir: dataDir,
      },
    );
  }
}
