import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, expect, test } from "vitest";

const MIB = 1024 * 1024;
/** Pages of V8 that come and go beside the two halves. */
const PAGES = MIB;
/** Tells where it runs, and how large the young generation has become when it was filled several times. */
const MAIN = `
  import v8 from "node:v8";
  let kept = [];
  for (let i = 0; i < 2_000_000; i++) {
    kept.push({ i });
    if (kept.length > 700_000) kept = [];
  }
  const young = v8.getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space").space_size;
  console.log(JSON.stringify({ pid: process.pid, args: process.argv.slice(2), young, arenas: process.env.MALLOC_ARENA_MAX, limit: v8.getHeapStatistics().heap_size_limit }));
`;

const folder = mkdtempSync(join(tmpdir(), "sluice launcher "));
copyFileSync(new URL("../../../src/sluice.mjs", import.meta.url), join(folder, "sluice.mjs"));
writeFileSync(join(folder, "main.ts"), MAIN);
afterAll(() => rmSync(folder, { recursive: true }));

interface Told {
  readonly args: readonly string[];
  readonly young: number;
  readonly arenas?: string;
  /** Of the whole heap. */
  readonly limit: number;
}

async function launch(
  args: readonly string[],
  flags: readonly string[] = [],
  nodeOptions = "",
  env: Readonly<Record<string, string>> = {},
): Promise<Told> {
  const child = spawn(process.execPath, [...flags, join(folder, "sluice.mjs"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { NODE_OPTIONS: nodeOptions, ...env },
  });
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  expect(err).toBe("");
  const { pid, ...told } = JSON.parse(out) as Told & { pid: number };
  expect(pid, "the process that was started is the one that runs").toBe(child.pid);
  return told;
}

test.skipIf(process.platform === "win32")(
  "what runs for long has a young generation of at most 16 MiB, and a heap of about one GiB",
  async () => {
    for (const args of [["serve", "--no-worker"], ["worker"]]) {
      const told = await launch(args, ["--max-old-space-size=8192"]);
      expect(told.args).toEqual(args);
      expect(told.young).toBeLessThanOrEqual(16 * MIB + PAGES);
      expect(told.limit).toBeGreaterThan(8192 * MIB);
      expect(told.arenas).toBe("1");
    }
    const { limit } = await launch(["serve"], [], "--max-semi-space-size=2");
    expect(limit).toBeLessThan(1100 * MIB);
  },
);

test("bounds that the operator sets hold, and so do those of a small machine", async () => {
  expect((await launch(["serve"], ["--max-semi-space-size=2"])).young).toBeLessThanOrEqual(4 * MIB + PAGES);
  expect((await launch(["serve"], [], "--max_semi_space_size=2")).young).toBeLessThanOrEqual(4 * MIB + PAGES);
  expect((await launch(["serve"], [], "", { MALLOC_ARENA_MAX: "4" })).arenas).toBe("4");
  expect((await launch(["serve"], ["--max-old-space-size=256"])).limit).toBeLessThan(512 * MIB);
});
