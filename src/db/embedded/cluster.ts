import { randomBytes } from "node:crypto";
import { lchown, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Installation } from "./choose.ts";
import { DataDirVersionError, PasswordLostError, PostgresStartError } from "./errors.ts";
import { run } from "./run.ts";

const INITDB_MS = 120_000;

/** Name of the role that owns everything in the embedded server. */
export const SUPERUSER = "sluice";

export interface ExistingCluster {
  readonly major: string;
  readonly uid: number;
  readonly gid: number;
}

/** The cluster that stands in the data folder, or null. */
export async function existingCluster(dataDir: string): Promise<ExistingCluster | null> {
  try {
    const major = (await readFile(join(dataDir, "pgdata/PG_VERSION"), "utf8")).trim();
    const { uid, gid } = await stat(join(dataDir, "pgdata"));
    return { major, uid, gid };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/**
 * Brings `<dataDir>/pgdata` into being, or hands the one that stands to the server's user. A first start that is
 * interrupted leaves nothing that a second one would take for a database.
 * @throws DataDirVersionError, PasswordLostError, PostgresStartError
 */
export async function ensureCluster(
  dataDir: string,
  server: Installation,
  existing: ExistingCluster | null,
): Promise<{ pgdata: string; password: string }> {
  const pgdata = join(dataDir, "pgdata");
  const passwordFile = join(dataDir, "password");
  if (existing) {
    if (existing.major !== server.major) throw new DataDirVersionError(dataDir, existing.major, server.major);
    const password = (await readFile(passwordFile, "utf8").catch(() => "")).trim();
    if (password === "") throw new PasswordLostError(passwordFile);
    await giveTo(server, pgdata);
    return { pgdata, password };
  }
  const password = randomBytes(24).toString("base64url");
  await writeSecret(passwordFile, `${password}\n`);
  await giveTo(server, passwordFile);
  const fresh = join(dataDir, "pgdata.new");
  await rm(fresh, { recursive: true, force: true });
  const result = await run(server.identity.wrap(initdbCommand(server, fresh, passwordFile)), INITDB_MS);
  if (result.code !== 0) throw new PostgresStartError("initdb failed", result.stderr.trim(), dataDir);
  await rename(fresh, pgdata);
  await syncDir(dataDir);
  return { pgdata, password };
}

function initdbCommand(server: Installation, pgdata: string, passwordFile: string): string[] {
  const locale =
    Number(server.major) >= 17
      ? ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
      : [process.platform === "linux" ? "--locale=C.UTF-8" : "--locale=C"];
  const login = ["-U", SUPERUSER, `--pwfile=${passwordFile}`, "--auth=scram-sha-256"];
  return [join(server.binDir, "initdb"), "-D", pgdata, ...login, "--encoding=UTF8", ...locale];
}

/** Changes the owner of a file or a whole tree, its root last, so that an interrupted change is done again. */
async function giveTo({ identity: { owner } }: Installation, path: string): Promise<void> {
  const now = await stat(path);
  if (owner === null || (now.uid === owner.uid && now.gid === owner.gid)) return;
  if (now.isDirectory()) {
    for (const entry of await readdir(path, { recursive: true })) {
      await lchown(join(path, entry), owner.uid, owner.gid);
    }
  }
  await lchown(path, owner.uid, owner.gid);
}

async function writeSecret(path: string, text: string): Promise<void> {
  await rm(path, { force: true });
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Creates the data folder, open to its owner alone. */
export async function makeDataDir(dataDir: string): Promise<void> {
  await mkdir(join(dataDir, ".."), { recursive: true });
  await mkdir(dataDir, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}

async function syncDir(path: string): Promise<void> {
  const dir = await open(path, "r");
  await dir.sync().finally(() => dir.close());
}
