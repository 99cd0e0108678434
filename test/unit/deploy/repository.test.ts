import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT, readText } from "./deployment.ts";

const manifest = JSON.parse(readText("package.json"));
const workspace = JSON.parse(readText("sdk/package.json"));
const lock = JSON.parse(readText("package-lock.json")) as {
  packages: Record<
    string,
    { resolved?: string; link?: boolean; optionalDependencies?: Record<string, string> }
  >;
};

test("src/README.md names every room and every file beside them, and nothing else", () => {
  const named = [...readText("src/README.md").matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name);
  const present = readdirSync(join(ROOT, "src"), { withFileTypes: true })
    .filter(({ name }) => name !== "README.md")
    .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name));
  expect(named.sort()).toEqual(present.sort());
});

test("every version is exact", () => {
  for (const { dependencies, devDependencies, optionalDependencies } of [manifest, workspace]) {
    for (const [name, range] of Object.entries({
      ...dependencies,
      ...devDependencies,
      ...optionalDependencies,
    })) {
      expect(range, name).toMatch(/^(npm:[@\w/-]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/);
    }
  }
});

test("the lock file names no registry, and every platform's packages are in it", () => {
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (!entry.link) expect(entry.resolved, path).toBeUndefined();
    // `npm ci` refuses a lock file that lacks one, on every platform.
    for (const name of Object.keys(entry.optionalDependencies ?? {})) {
      const known = [`node_modules/${name}`, `${path}/node_modules/${name}`].some(
        (at) => at in lock.packages,
      );
      expect(known, `${name}, wanted by ${path}`).toBe(true);
    }
  }
});

test("every package with an install script is decided on: none may run", () => {
  const scripted = Object.entries(lock.packages)
    .filter(([, entry]) => "hasInstallScript" in entry)
    .map(([path]) => path.replace(/^.*node_modules\//, ""));
  expect(Object.keys(manifest.allowScripts).sort()).toEqual([...new Set(scripted)].sort());
  expect(new Set(Object.values(manifest.allowScripts))).toEqual(new Set([false]));
});

test("the top level holds what it should, and nothing more", () => {
  const files = execFileSync("git", ["ls-files"], { cwd: ROOT, encoding: "utf8" }).trim().split("\n");
  const top = new Set(files.map((path) => path.split("/")[0]));
  const rooms = ["bench", "gen", "proto", "sdk", "src", "test"];
  const documents = ["CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md"];
  const deployment = [".dockerignore", "Dockerfile", "docker-compose.yml"];
  const tools = [".ci", ".dependency-cruiser.cjs", ".gitignore", "biome.json", "buf.gen.yaml", "buf.yaml"];
  const npm = ["package-lock.json", "package.json", "tsconfig.json", "vitest.config.ts"];
  const known = new Set([...rooms, ...documents, ...deployment, ...tools, ...npm]);
  expect([...top].filter((name) => !known.has(name ?? ""))).toEqual([]);
});
