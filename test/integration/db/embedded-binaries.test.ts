import { execFileSync } from "node:child_process";
import { cpSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { copyPackage, findBinaries, linkLibraries } from "../../../src/db/embedded/binaries.ts";
import { tempFolder } from "./embedded-harness.ts";

vi.setConfig({ testTimeout: 60_000 });

/** The npm package as `npm install --ignore-scripts` leaves it. */
async function unlinkedPackage(folder: string): Promise<string> {
  const [source] = await findBinaries(null);
  const packageDir = join(folder, "linux");
  cpSync(source?.packageDir ?? "", packageDir, { recursive: true, verbatimSymlinks: true });
  const list = readFileSync(join(packageDir, "native/pg-symlinks.json"), "utf8");
  for (const { target } of JSON.parse(list) as { target: string }[])
    rmSync(join(packageDir, target), { force: true });
  return packageDir;
}

const version = (binDir: string): string =>
  execFileSync(join(binDir, "initdb"), ["-V"], { encoding: "utf8" });

test("makes the library links that a skipped install script did not make", async () => {
  const folder = tempFolder();
  const packageDir = await unlinkedPackage(folder.path);
  expect(readdirSync(join(packageDir, "native/lib"))).not.toContain("libpq.so.5");
  expect(await linkLibraries(packageDir)).toBe(true);
  expect(await linkLibraries(packageDir)).toBe(true);
  expect(version(join(packageDir, "native/bin"))).toMatch(/PostgreSQL\) 18/);
});

test("copies the package once, complete and readable to everybody", async () => {
  const folder = tempFolder();
  const packageDir = await unlinkedPackage(folder.path);
  const cacheDir = join(folder.path, "cache dir");
  const [one, two] = await Promise.all([
    copyPackage(packageDir, cacheDir),
    copyPackage(packageDir, cacheDir),
  ]);
  expect(one).toBe(two);
  expect(readdirSync(cacheDir)).toHaveLength(1);
  expect(version(one)).toMatch(/PostgreSQL\) 18/);
  expect(statSync(join(one, "postgres")).mode & 0o055).toBe(0o055);
});
