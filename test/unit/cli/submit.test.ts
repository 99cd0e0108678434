import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startServer } from "../sdk/server.ts";
import { createHome } from "./run.ts";
import { screenOf } from "./screen.ts";

test("submit without waiting prints the id of each job and sends pipeline, priority, labels, password and concurrency", async () => {
  await using server = await startServer();
  await using home = await createHome();
  await writeFile(join(home.folder, "a.txt"), "hello");
  const options = [
    "--pipeline",
    "fast",
    "--priority",
    "high",
    "--label",
    "team=red",
    "--label",
    "k=v",
    "--password",
    "pw",
    "--concurrency-key",
    "tenant",
    "--concurrency-limit",
    "3",
  ];
  const { code, stdout } = await home.sluice(["submit", "a.txt", ...options], { url: server.url });
  const [{ job, request }] = [...server.jobs.values()] as [
    typeof server.jobs extends Map<string, infer V> ? V : never,
  ];
  expect({ code, stdout }).toEqual({ code: 0, stdout: `${job.id}  a.txt\n` });
  expect(request).toMatchObject({
    pipelineName: "fast",
    priority: 1,
    labels: { team: "red", k: "v" },
    password: "pw",
    concurrencyKey: "tenant",
    concurrencyLimit: 3,
  });
});

test("follow prints a line per change on stderr and the texts in order on stdout", async () => {
  await using server = await startServer();
  await using home = await createHome();
  await writeFile(join(home.folder, "a.txt"), "first\n");
  await writeFile(join(home.folder, "b.txt"), "second\n");
  const { code, stdout, stderr } = await home.sluice(["submit", "a.txt", "b.txt", "--follow"], {
    url: server.url,
  });
  expect({ code, stdout }).toEqual({ code: 0, stdout: "==> a.txt <==\nfirst\n\n==> b.txt <==\nsecond\n" });
  const lines = stderr.split("\n").filter((line) => line.startsWith("a.txt"));
  const states = lines.map((line) => line.replace(/ in .*/, ""));
  const expected = ["uploading", "queued", "running", "fetch", "detect", "extract", "chunk", "completed"];
  expect(states).toEqual(expected.map((state) => `a.txt: ${state}`));
});

test("one failed job makes the exit code 1 and is told as file, reason and message, without its escapes", async () => {
  await using server = await startServer();
  await using home = await createHome();
  await writeFile(join(home.folder, "good.txt"), "fine");
  await writeFile(join(home.folder, "bad.txt"), "FAIL");
  const args = ["submit", "good.txt", "bad.txt", "missing.txt", ".", "--wait", "--output", "markdown"];
  const { code, stdout, stderr } = await home.sluice(args, { url: server.url });
  expect(code).toBe(1);
  expect(stdout).toContain("# fine");
  expect(stderr.split("\n").sort()).toEqual([
    "",
    ".: it is a folder; name the files in it",
    "bad.txt: DOCUMENT_CORRUPT: The document cannot be read.",
    "missing.txt: there is no such file",
  ]);
});

test("--json prints one object per line: submitted, every event once, and the result", async () => {
  await using server = await startServer();
  await using home = await createHome();
  await writeFile(join(home.folder, "a.txt"), "hello");
  await writeFile(join(home.folder, "bad.txt"), "FAIL");
  const { code, stdout, stderr } = await home.sluice(["submit", "a.txt", "bad.txt", "--follow", "--json"], {
    url: server.url,
  });
  const lines = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  const of = (file: string) => lines.filter((line) => line.file === file);
  expect(of("a.txt").map(({ type }) => type)).toEqual(["submitted", ...Array(14).fill("event"), "result"]);
  expect(of("a.txt").at(-1)).toMatchObject({ status: "COMPLETED", result: { extractedText: "hello" } });
  expect(of("bad.txt").at(-1)).toMatchObject({ status: "FAILED", error: { reason: "DOCUMENT_CORRUPT" } });
  expect(code).toBe(1);
  expect(stderr).toBe("bad.txt: DOCUMENT_CORRUPT: The document cannot be read.\n");
});

test("--out-dir writes one whole file for each document, also when names are equal", async () => {
  await using server = await startServer();
  await using home = await createHome();
  await writeFile(join(home.folder, "a.txt"), "hello");
  const { code } = await home.sluice(["submit", "a.txt", "./a.txt", "--out-dir", "out"], {
    url: server.url,
  });
  expect(code).toBe(0);
  expect((await readdir(join(home.folder, "out"))).sort()).toEqual(["a.txt-2.txt", "a.txt.txt"]);
  expect(await readFile(join(home.folder, "out/a.txt.txt"), "utf8")).toBe("hello");
});

test("stdin is a document too", async () => {
  await using server = await startServer();
  await using home = await createHome();
  const { code, stdout } = await home.sluice(["submit", "-", "--wait"], { url: server.url, stdin: "piped" });
  expect({ code, stdout }).toEqual({ code: 0, stdout: "piped" });
});

test("where no server is, one sentence says what to do, however many files there are", async () => {
  await using home = await createHome();
  for (const name of ["a", "b", "c"]) await writeFile(join(home.folder, name), "x");
  const { code, stderr } = await home.sluice(["submit", "a", "b", "c"], { url: "http://127.0.0.1:9" });
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: "No Sluice answers at http://127.0.0.1:9. Start one with `sluice serve`, or set SLUICE_URL.\n",
  });
});

test("Ctrl-C stops the watching, tells how to go on, and leaves the job alone", async () => {
  await using server = await startServer({ hang: true });
  await using home = await createHome();
  await writeFile(join(home.folder, "a.txt"), "hello");
  const { code, stderr } = await home.sluice(["submit", "a.txt", "--follow"], {
    url: server.url,
    onOutput: (text, kill) => text.includes("fetch") && kill("SIGINT"),
  });
  const [id] = server.jobs.keys();
  expect(code).toBe(130);
  expect(stderr).toContain(`the job that was created goes on. See it with:\n  sluice jobs watch ${id}\n`);
  expect(server.calls).not.toContain("cancelJob");
});

test("40 files on a terminal of 60 by 10: nothing wraps, nothing is garbled, each file ends as one line", async () => {
  await using server = await startServer({ eventDelayMs: 40 });
  await using home = await createHome();
  const files = Array.from({ length: 40 }, (_, i) => `report number ${i} with a rather long name 文書.txt`);
  for (const [i, file] of files.entries()) await writeFile(join(home.folder, file), i === 7 ? "FAIL" : "x");
  const size = { columns: 60, rows: 10 };
  const { code, stdout } = await home.onTerminal(["submit", ...files, "--follow", "--out-dir", "out"], size, {
    url: server.url,
  });
  expect(code).toBe(1);
  const [progress = "", after] = stdout.split("\u001b[?25h");
  expect(after).toContain("out/report number 0");
  const { lines, widest } = screenOf(progress, size.columns);
  expect(widest).toBeLessThan(size.columns);
  expect(lines.filter((line) => line.startsWith("✓"))).toHaveLength(39);
  expect(lines.filter((line) => line.startsWith("✗"))).toHaveLength(1);
  expect(lines.join("\n")).toContain("39 of 40 completed, 1 failed");
  expect(stdout).toMatch(/█+░+ +\d+% (fetch|detect|extract|chunk)/);
}, 30_000);

test("a name made to steer the terminal is shown without its power", async () => {
  await using server = await startServer();
  await using home = await createHome();
  const file = "evil\u001b[2J\u001b]0;owned\u0007\u202e.txt";
  await writeFile(join(home.folder, file), "x\u001b[31mred\u001b[0m\n");
  const { stdout, code } = await home.onTerminal(
    ["submit", file, "--follow"],
    { columns: 80, rows: 24 },
    { url: server.url },
  );
  expect(code).toBe(0);
  const { lines } = screenOf(stdout, 80);
  expect(lines.join("\n")).toContain("✓ evil.txt: completed");
  expect(lines).toContain("xred");
});
