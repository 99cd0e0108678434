import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tempFolderSettings } from "../../support/temp-folder.ts";
import { startServer } from "../sdk/server.ts";
import { createHome } from "./run.ts";

const MAIN = join(import.meta.dirname, "main.ts");

/** Runs the command and closes one of its outputs as soon as something has come through it. */
async function closeEarly(args: string[], closed: "stdout" | "stderr", cwd: string, env: NodeJS.ProcessEnv) {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd,
    env: { PATH: process.env.PATH, ...tempFolderSettings(), ...env },
  });
  const other = closed === "stdout" ? "stderr" : "stdout";
  let text = "";
  child[other].setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  child[closed].once("data", () => child[closed].destroy());
  const [code] = await once(child, "close");
  return { code, [other]: text };
}

test("a reader that goes after the first line ends submit quietly, as a closed pipe and no success", async () => {
  await using server = await startServer({ eventDelayMs: 30 });
  await using home = await createHome();
  await writeFile(join(home.folder, "a.txt"), "hello");
  const env = { HOME: home.folder, SLUICE_URL: server.url };
  const args = ["submit", "a.txt", "--follow"];
  expect(await closeEarly([...args, "--json"], "stdout", home.folder, env)).toEqual({
    code: 141,
    stderr: "",
  });
  expect(await closeEarly(args, "stderr", home.folder, env)).toEqual({ code: 141, stdout: "" });
});

test("a result larger than any pipe ends quietly when its reader goes", async () => {
  await using server = await startServer();
  await using home = await createHome();
  await writeFile(join(home.folder, "large.txt"), "a line of text\n".repeat(200_000));
  const env = { HOME: home.folder, SLUICE_URL: server.url };
  expect(await closeEarly(["submit", "large.txt", "--wait"], "stdout", home.folder, env)).toEqual({
    code: 141,
    stderr: "",
  });
});

test("a server goes on and ends in good order when nobody reads its output any more", async () => {
  await using home = await createHome();
  const env = { HOME: home.folder, TEST_SERVE_LINES: "200" };
  expect(await closeEarly(["serve"], "stdout", home.folder, env)).toEqual({ code: 7, stderr: "stopped\n" });
});
