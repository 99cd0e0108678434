import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { removeLeftovers } from "../../../src/worker/leftovers.ts";

async function folderWith(...names: string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-leftovers-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const name of names) await mkdir(join(folder, name, "job-1"), { recursive: true });
  return folder;
}

async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ["--version"], { stdio: "ignore" });
  await once(child, "exit");
  return child.pid ?? 0;
}

test("only folders of processes that are gone are removed; names that are no process stay", async () => {
  const live = `${process.pid}-abc`;
  const strange = ["notes", "-1", "0-abc", "NaN-abc", "1.5-abc", "99999999999999999999-abc"];
  const folder = await folderWith(`${await deadPid()}-abc`, live, ...strange);
  await removeLeftovers(folder);
  expect((await readdir(folder)).sort()).toEqual([live, ...strange].sort());
});

test("the folder of another user's live worker stays", async () => {
  const folder = await folderWith("4711-abc");
  await removeLeftovers(folder, () => {
    throw Object.assign(new Error("kill EPERM"), { code: "EPERM" });
  });
  expect(await readdir(folder)).toEqual(["4711-abc"]);
});

test("a folder that is not there is no error", async () => {
  await removeLeftovers(join(await folderWith(), "none"));
});
