import { type ExecFileOptions, execFile } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync } from "node:fs";
import { access, chmod, mkdtemp, readdir, rename, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** How to start a Redis server: a command and what its environment needs besides. */
export interface RedisBinary {
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
}

const PACKAGES = ["redis-tools", "libatomic1", "libjemalloc2", "liblzf1"];
const CACHE = fileURLToPath(new URL("../../.cache/redis", import.meta.url));
const execute = promisify(execFile);
const run = (command: string, args: readonly string[], options: ExecFileOptions = {}) =>
  execute(command, args, { timeout: 120_000, ...options });

/**
 * Finds `redis-server` or `valkey-server` on the PATH; else, on Debian and Ubuntu, fetches it without root into
 * `.cache/redis`. Otherwise an error says what to install.
 */
export async function findRedis(): Promise<RedisBinary> {
  for (const name of ["redis-server", "valkey-server"]) {
    const command = onPath(name);
    if (command) return { command, env: {} };
  }
  if (existsSync(join(CACHE, process.arch, "redis-server"))) return await fetchRedis(CACHE);
  if (!onPath("apt-get") || !onPath("dpkg-deb"))
    throw missing("this is not Debian or Ubuntu, where it is fetched by itself");
  return await fetchRedis(await writableCache());
}

/** Fetches and unpacks Debian's server below `cache`, once; safe to call from several processes at once. */
export async function fetchRedis(cache: string): Promise<RedisBinary> {
  const target = join(cache, process.arch);
  if (!existsSync(join(target, "redis-server"))) {
    const fresh = await mkdtemp(join(cache, "fetch-"));
    try {
      await download(fresh);
      for (const file of (await readdir(fresh)).filter((name) => name.endsWith(".deb"))) {
        await run("dpkg-deb", ["-x", join(fresh, file), join(fresh, "root")]);
        await rm(join(fresh, file));
      }
      // The server's program lies in redis-tools, under the name of another of its faces.
      await symlink("root/usr/bin/redis-check-rdb", join(fresh, "redis-server"));
      await run(join(fresh, "redis-server"), ["--version"], { env: await libraryPath(fresh) });
      await chmod(fresh, 0o755);
      await rename(fresh, target).catch((error: unknown) => {
        if (!existsSync(join(target, "redis-server"))) throw error;
      });
    } catch (error) {
      throw missing(`fetching it with apt-get failed: ${(error as Error).message.trim().slice(-600)}`);
    } finally {
      await rm(fresh, { recursive: true, force: true });
    }
  }
  return { command: join(target, "redis-server"), env: await libraryPath(target) };
}

async function download(folder: string): Promise<void> {
  try {
    await run("apt-get", ["download", ...PACKAGES], { cwd: folder });
  } catch {
    // The package lists are missing or old. Lists of our own need no root and leave the machine's alone.
    const lists = await mkdtemp(join(tmpdir(), "sluice-apt-"));
    const own = [
      ["Dir::State", join(lists, "state")],
      ["Dir::State::status", "/var/lib/dpkg/status"],
      ["Dir::Cache", join(lists, "cache")],
      ["APT::Sandbox::User", ""],
    ].flatMap(([key, value]) => ["-o", `${key}=${value}`]);
    for (const dir of ["state/lists/partial", "cache/archives/partial"])
      mkdirSync(join(lists, dir), { recursive: true });
    try {
      await run("apt-get", [...own, "update"], { cwd: folder });
      await run("apt-get", [...own, "download", ...PACKAGES], { cwd: folder });
    } finally {
      await rm(lists, { recursive: true, force: true });
    }
  }
}

async function libraryPath(folder: string): Promise<Record<string, string>> {
  const base = join(folder, "root/usr/lib");
  const triplets = (await readdir(base)).filter((name) => name.includes("linux-gnu"));
  return { LD_LIBRARY_PATH: [...triplets.map((name) => join(base, name)), base].join(delimiter) };
}

async function writableCache(): Promise<string> {
  try {
    mkdirSync(CACHE, { recursive: true });
    await access(CACHE, constants.W_OK);
    return CACHE;
  } catch {
    const own = join(tmpdir(), `sluice-redis-${process.getuid?.() ?? 0}`);
    mkdirSync(own, { recursive: true, mode: 0o700 });
    return own;
  }
}

export function onPath(name: string): string | null {
  for (const dir of (process.env.PATH ?? "").split(delimiter)) {
    try {
      accessSync(join(dir, name), constants.X_OK);
      return join(dir, name);
    } catch {
      // Not in this folder.
    }
  }
  return null;
}

function missing(why: string): Error {
  return new Error(
    `The tests need a Redis server and found none: ${why}. Install redis-server or valkey-server ` +
      "(Debian, Ubuntu: apt-get install redis-server; Fedora: dnf install valkey; macOS: brew install redis) and run them again.",
  );
}
