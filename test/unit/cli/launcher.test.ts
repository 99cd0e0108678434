import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, expect, test } from "vitest";

const MIB = 1024 * 1024;
/** Tells where it runs, and how large the young generation has become when it was filled several times. */
const MAIN = `
  import v8 from "node:v8";
  let kept = [];
  for (let i = 0; i < 2_000_000; i++) {
    kept.push({ i });
    if (kept.length > 700_000) kept = [];
  }
  const young = v8.getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space").space_size;
  console.log(JSON.stringify({ pid: process.pid, args: process.argv.slice(2), young }));
`;

const folder = mkdtempSync(join(tmpdir(), "sluice launcher "));
copyFileSync(new URL("../../../src/sluice.mjs", import.meta.url), join(folder, "sluice.mjs"));
writeFileSync(join(folder, "main.ts"), MAIN);
afterAll(() => rmSync(folder, { recursive: true }));

async function launch(args: readonly string[], flags: readonly string[] = []) {
  const child = spawn(process.execPath, [...flags, join(folder, "sluice.mjs"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  expect(err).toBe("");
  const { pid, ...told } = JSON.parse(out) as { pid: number; args: string[]; young: number };
  expect(pid, "the process that was started is the one that runs").toBe(child.pid);
  return told;
}

test.skipIf(process.platform === "win32")(
  "what runs for long has a young generation of at most 32 MiB",
  async () => {
    for (const args of [["serve", "--no-worker"], ["worker"]]) {
      const told = await launch(args);
      expect(told.args).toEqual(args);
      expect(told.young).toBeLessThanOrEqual(32 * MIB);
    }
  },
);

test("a bound that the operator sets holds", async () => {
  const { young } = await launch(["serve"], ["--max-semi-space-size=2"]);
  expect(young).toBeLessThanOrEqual(4 * MIB);
});
