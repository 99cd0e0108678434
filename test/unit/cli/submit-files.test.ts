import { execFileSync } from "node:child_process";
import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startServer } from "../sdk/server.ts";
import { createHome } from "./run.ts";

test("files that cannot be submitted are told before anything is shown or sent, and the others are submitted", async () => {
  await using server = await startServer();
  await using home = await createHome();
  const at = (name: string) => join(home.folder, name);
  await writeFile(at("good.txt"), "fine");
  await writeFile(at("empty.txt"), "");
  await mkdir(at("folder"));
  await symlink("loop", at("loop"));
  execFileSync("mkfifo", [at("fifo")]);
  const files = ["missing.txt", "good.txt", "empty.txt", "folder", "loop", "fifo", "good.txt/inner"];
  const { code, stdout, stderr } = await home.sluice(["submit", ...files, "--follow"], { url: server.url });
  const lines = stderr.trimEnd().split("\n");
  expect(lines.slice(0, 6)).toEqual([
    "missing.txt: there is no such file",
    "empty.txt: it is empty",
    "folder: it is a folder; name the files in it",
    "loop: it cannot be read (ELOOP)",
    "fifo: it is no regular file; pipe its content in, with - in its place",
    "good.txt/inner: there is no such file",
  ]);
  expect(lines.slice(6).filter((line) => !line.startsWith("good.txt: "))).toEqual([]);
  expect(stdout).toContain("fine");
  expect(code).toBe(1);
  expect(server.jobs.size).toBe(1);
});

test("when no file can be submitted, no server is called", async () => {
  await using server = await startServer();
  await using home = await createHome();
  expect(await home.sluice(["submit", "a", "b"], { url: server.url })).toEqual({
    code: 1,
    stdout: "",
    stderr: "a: there is no such file\nb: there is no such file\n",
  });
  expect(server.calls).toEqual([]);
  const { stdout } = await home.sluice(["submit", "a", "--wait", "--json"], { url: server.url });
  const error = { message: "there is no such file" };
  expect(JSON.parse(stdout)).toEqual({ type: "result", file: "a", status: "NOT_SUBMITTED", error });
});

test.skipIf(process.getuid?.() === 0)("a file of somebody else is told as such", async () => {
  await using home = await createHome();
  await writeFile(join(home.folder, "a"), "x");
  await chmod(join(home.folder, "a"), 0);
  expect(await home.sluice(["submit", "a"])).toMatchObject({ code: 1, stderr: "a: you may not read it\n" });
});

test("the password of documents comes from the first line of a file or of stdin, or is asked for without showing", async () => {
  await using server = await startServer();
  await using home = await createHome();
  await writeFile(join(home.folder, "a.txt"), "hello");
  await writeFile(join(home.folder, "secret"), " p w é\r\nsecond line\n");
  const run = (file: string, stdin?: string) =>
    home.sluice(["submit", "a.txt", "--password-file", file], { url: server.url, ...(stdin && { stdin }) });
  expect((await run("secret")).code).toBe(0);
  expect((await run("-", "from stdin\nrest\n")).code).toBe(0);
  const asked = await home.onTerminal(
    ["submit", "a.txt", "--password-file", "-"],
    { columns: 80, rows: 24 },
    { url: server.url, stdin: "typed\r" },
  );
  expect(asked.code).toBe(0);
  expect(asked.stdout.split("Password of the documents:")[1]).not.toContain("typed");
  expect([...server.jobs.values()].map(({ request }) => request.password)).toEqual([
    " p w é",
    "from stdin",
    "typed",
  ]);
});

test("a password file that is missing or empty, a second password, or stdin twice end the command before any call", async () => {
  await using server = await startServer();
  await using home = await createHome();
  await writeFile(join(home.folder, "a.txt"), "hello");
  await writeFile(join(home.folder, "empty"), "\n");
  const run = (...args: string[]) => home.sluice(["submit", "a.txt", ...args], { url: server.url });
  expect(await run("--password-file", "nowhere")).toMatchObject({
    code: 2,
    stderr: "nowhere: there is no such file\n",
  });
  expect(await run("--password-file", "empty")).toMatchObject({
    code: 2,
    stderr: "empty: its first line holds no password\n",
  });
  expect(await run("--password-file", "a.txt", "--password", "x")).toMatchObject({ code: 2 });
  expect(await run("-", "--password-file", "-")).toMatchObject({
    code: 2,
    stderr: "stdin can be read only once.\n",
  });
  expect(server.calls).toEqual([]);
});

test.for([
  { mode: "--follow", types: ["submitted", ...Array(14).fill("event"), "result"] },
  { mode: "--wait", types: ["result"] },
])(
  "$mode --json prints its kinds of lines only, and the exit code is that of the job",
  async ({ mode, types }) => {
    await using server = await startServer();
    await using home = await createHome();
    await writeFile(join(home.folder, "good.txt"), "fine");
    await writeFile(join(home.folder, "bad.txt"), "FAIL");
    const run = (file: string) => home.sluice(["submit", file, mode, "--json"], { url: server.url });
    const parse = (text: string) =>
      text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line));
    const good = await run("good.txt");
    expect(parse(good.stdout).map(({ type }) => type)).toEqual(types);
    expect(parse(good.stdout).at(-1)).toMatchObject({
      status: "COMPLETED",
      result: { extractedText: "fine" },
    });
    expect({ code: good.code, stderr: good.stderr }).toEqual({ code: 0, stderr: "" });
    const bad = await run("bad.txt");
    expect(parse(bad.stdout).map(({ type }) => type)).toEqual(types);
    expect(parse(bad.stdout).at(-1)).toMatchObject({
      status: "FAILED",
      error: { reason: "DOCUMENT_CORRUPT" },
    });
    expect(bad.code).toBe(1);
  },
);

test("the help of submit documents the lines of --json and warns of passwords on the command line", async () => {
  await using home = await createHome();
  const { stdout } = await home.sluice(["submit", "--help"]);
  for (const type of ["submitted", "event", "result"]) expect(stdout).toContain(`{"type":"${type}",`);
  expect(stdout.replace(/\s+/g, " ")).toContain("others on this machine can see it");
});
