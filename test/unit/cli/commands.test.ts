import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createSluice } from "../../../sdk/src/node.ts";
import { startServer } from "../sdk/server.ts";
import { createHome } from "./run.ts";

test("login keeps an API key for its owner alone, later commands use it, and logout forgets it", async () => {
  await using server = await startServer();
  await using home = await createHome();
  const login = await home.sluice(["login", "--email", "a@example.com"], {
    url: server.url,
    stdin: "right\n",
  });
  expect(login).toMatchObject({ code: 0, stdout: "" });
  const file = join(home.folder, "config/sluice/credentials.json");
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await readFile(file, "utf8")).not.toContain("right");
  expect((await home.sluice(["system", "info"], { url: server.url })).code).toBe(0);
  expect(server.seen.authorizations.at(-1)).toBe("Bearer slk_made");
  expect((await home.sluice(["logout"], { url: server.url })).code).toBe(0);
  const { code, stderr } = await home.sluice(["system", "info"], { url: server.url });
  expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining("sluice login") });
});

test("a wrong password is told in one sentence and stores nothing", async () => {
  await using server = await startServer();
  await using home = await createHome();
  const { code, stderr } = await home.sluice(["login"], { url: server.url, stdin: "a@example.com\nwrong\n" });
  expect({ code, stderr }).toEqual({ code: 1, stderr: "LOGIN_FAILED: E-mail or password is wrong.\n" });
  await expect(stat(join(home.folder, "config/sluice"))).rejects.toThrow();
});

test("the password does not show on a terminal", async () => {
  await using server = await startServer();
  await using home = await createHome();
  const { code, stdout } = await home.onTerminal(
    ["login", "--email", "a@b.c"],
    { columns: 80, rows: 24 },
    {
      url: server.url,
      stdin: "right\r",
    },
  );
  expect(stdout).toContain("Logged in at");
  expect(stdout.split("Password:")[1]).not.toContain("right");
  expect(code).toBe(0);
});

test("on the server's machine its address and its local key are found, and the key goes nowhere else", async () => {
  await using server = await startServer({ credential: "slk_local" });
  await using home = await createHome();
  await mkdir(join(home.folder, ".sluice"));
  await writeFile(join(home.folder, ".sluice/server.json"), JSON.stringify({ url: server.url, pid: 1 }));
  await writeFile(join(home.folder, ".sluice/local-api-key"), "slk_local\n", { mode: 0o600 });
  expect(await home.sluice(["system", "info"])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("9.9.9"),
  });
  // A name that is not this machine's, though it leads here.
  const elsewhere = server.url.replace("127.0.0.1", "0.0.0.0");
  await home.sluice(["system", "info"], { url: elsewhere });
  expect(server.seen.authorizations.at(-1)).toBe("");
});

test("jobs can be listed, shown, watched and cancelled", async () => {
  await using server = await startServer();
  await using home = await createHome();
  using sluice = createSluice({ url: server.url });
  const good = await sluice.jobs.submit({ text: "fine", filename: "good.txt" });
  const bad = await sluice.jobs.submit({ text: "FAIL", filename: "bad\u001b[31m.txt" });
  const run = (...args: string[]) => home.sluice(args, { url: server.url });
  const list = await run("jobs", "list");
  expect(list.stdout.split("\n")).toEqual([
    expect.stringMatching(/^ID {36}STATUS {3}DONE {2}PIPELINE {2}CREATED {15}DOCUMENT$/),
    expect.stringMatching(new RegExp(`^${bad.id}  CREATED +default +2026-.*Z  bad\\.txt$`)),
    expect.stringMatching(new RegExp(`^${good.id}  CREATED +default +2026-.*Z  good\\.txt$`)),
    "",
  ]);
  expect(
    (await run("jobs", "list", "--json")).stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).id),
  ).toEqual([bad.id, good.id]);
  expect((await run("jobs", "get", good.id)).stdout).toContain("good.txt");
  const watched = await run("jobs", "watch", good.id);
  expect(watched).toMatchObject({ code: 0, stdout: expect.stringContaining("14  COMPLETED") });
  expect(
    (await run("jobs", "watch", good.id, "--after", "12", "--json")).stdout.trim().split("\n"),
  ).toHaveLength(2);
  expect((await run("jobs", "watch", bad.id)).code).toBe(1);
  expect(await run("result", good.id)).toMatchObject({ code: 0, stdout: "fine" });
  expect(await run("jobs", "cancel", good.id)).toMatchObject({ code: 0, stdout: `${good.id}  CANCELLED\n` });
  const unknown = "01920000-0000-7000-8000-000000000000";
  expect(await run("jobs", "get", unknown)).toMatchObject({
    code: 1,
    stderr: `JOB_NOT_FOUND: There is no job ${unknown}.\n`,
  });
});

test("a word that is no job id is told as such before any call", async () => {
  await using server = await startServer();
  await using home = await createHome();
  const verbs = [
    ["jobs", "get"],
    ["jobs", "watch"],
    ["jobs", "cancel", "0198c000-0000-7000-8000-000000000001"],
    ["jobs", "retry"],
    ["jobs", "delete"],
    ["result"],
  ];
  for (const verb of verbs) {
    expect(await home.sluice([...verb, "re\u001b[31mport.pdf"], { url: server.url })).toEqual({
      code: 2,
      stdout: "",
      stderr: "report.pdf is no job id; `sluice jobs list` shows them.\n",
    });
  }
  expect(server.calls).toEqual([]);
});

test("pipelines, queue and workers are shown as tables and as JSON", async () => {
  await using server = await startServer();
  await using home = await createHome();
  const run = (...args: string[]) => home.sluice(args, { url: server.url });
  expect((await run("pipelines", "list")).stdout).toMatch(/^default {2}1 {8}yes/m);
  expect((await run("queue", "stats")).stdout).toMatch(/^HIGH {6}3/m);
  expect((await run("queue", "stats")).stdout).toContain("1 worker\n");
  expect((await run("workers", "list")).stdout).toMatch(/^w1 +box +9.9.9 +alive +0 of 2/m);
  expect(JSON.parse((await run("workers", "list", "--json")).stdout)).toMatchObject({ id: "w1" });
});

test("a wrong command line is exit code 2, help is 0, and neither needs a server or settings", async () => {
  await using home = await createHome();
  const env = { SLUICE_API_KEY: "a", SLUICE_API_KEY_FILE: "/nowhere" };
  expect((await home.sluice(["--help"], { env })).code).toBe(0);
  expect(await home.sluice(["submit"], { env })).toMatchObject({ code: 2, stdout: "" });
  expect(await home.sluice(["result", "x", "--output", "docx"])).toMatchObject({ code: 2 });
  expect(await home.sluice(["jobs", "list"], { url: "ftp://x" })).toMatchObject({ code: 2 });
});
