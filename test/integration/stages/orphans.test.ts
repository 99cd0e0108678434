import { spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { isAlive, until } from "./harness.ts";

const PARENT = new URL("./parent.ts", import.meta.url).pathname;

test.each(["sandboxed", "bare"])(
  "kill -9 of the parent ends its busy children too (%s)",
  async (mode) => {
    const parent = spawn(process.execPath, [PARENT, mode], { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = (await once(createInterface({ input: parent.stdout }), "line")) as [string];
    const { pids, tempDir } = JSON.parse(line) as { pids: number[]; tempDir: string };
    try {
      expect(pids).toHaveLength(2);
      for (const pid of pids) expect(await isAlive(pid)).toBe(true);
      parent.kill("SIGKILL");
      await once(parent, "exit");
      for (const pid of pids) await until(async () => !(await isAlive(pid)), `child ${pid} is gone`);
    } finally {
      for (const pid of pids) if (await isAlive(pid)) process.kill(pid, "SIGKILL");
      await rm(tempDir, { recursive: true, force: true });
    }
  },
  20_000,
);
