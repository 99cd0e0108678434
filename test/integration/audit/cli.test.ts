import { mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Writable } from "node:stream";
import { expect, test, vi } from "vitest";
import type { ClientSettings } from "../../../src/cli/context.ts";
import { runProgram } from "../../../src/cli/program.ts";
import { serverCommands } from "../../../src/commands.ts";
import { ADMIN, startInstallation } from "./audit-harness.ts";
import { openTrail, startWire, type Trail } from "./trail-harness.ts";

class Text extends Writable {
  text = "";
  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

/** The command line in this process. */
async function run(settings: ClientSettings, args: readonly string[]) {
  const [stdout, stderr] = [new Text(), new Text()];
  // Verifying a file is a command of the server's half, which writes to the process's own output.
  const own = vi.spyOn(process.stdout, "write").mockImplementation((text) => stdout.write(text));
  try {
    const code = await runProgram(["audit", ...args], {
      ...serverCommands,
      version: "test",
      settings: () => settings,
      io: { stdin: process.stdin, stdout, stderr },
    });
    return { code, stdout: stdout.text, stderr: stderr.text };
  } finally {
    own.mockRestore();
  }
}

/** The same, against a server of its own. */
async function startCli(trail: Trail) {
  const wire = await startWire(trail, [trail.admin]);
  const settings = { url: wire.url, apiKey: "0", dataDir: trail.folder, configDir: trail.folder };
  return {
    sluice: (...args: string[]) => run(settings, args),
    [Symbol.asyncDispose]: wire[Symbol.asyncDispose],
  };
}

test("entries are listed in a table or as JSON, by every filter", async () => {
  await using trail = await openTrail();
  await using cli = await startCli(trail);
  await trail.write(["test.a", "test.b\u001b[2J"], trail.admin, { resourceType: "job", resourceId: "j1" });
  await trail.write(["test.c"], trail.admin, { success: false, errorMessage: "NO: not this" });
  const { code, stdout } = await cli.sluice("list");
  expect(code).toBe(0);
  expect(stdout.split("\n")[0]).toMatch(/^TIME +ACTION +RESULT +RESOURCE +BY +FROM +ERROR$/);
  expect(stdout.split("\n")[1]).toMatch(/test\.c +failed .*192\.0\.2\.1 +NO: not this$/);
  expect(stdout).not.toContain("\u001b");
  const everything = ["--resource-type", "job", "--resource", "j1", "--action", "test.a", "--succeeded"];
  const narrow = ["--user", trail.admin.userId, "--ip", "192.0.2.1", "--since", "2026-01-01", "--json"];
  const { stdout: json } = await cli.sluice("list", ...everything, ...narrow);
  expect(JSON.parse(json)).toMatchObject({ action: "test.a", resourceId: "j1", userId: trail.admin.userId });
  expect((await cli.sluice("list", "--limit", "2", "--json")).stdout.trimEnd().split("\n")).toHaveLength(2);
  expect(await cli.sluice("list", "--until", "2020-01-01")).toMatchObject({
    code: 0,
    stderr: "No entries.\n",
  });
  for (const time of ["yesterday", "5", "2026-13-01"])
    expect((await cli.sluice("list", "--since", time)).code, time).toBe(2);
});

test("an export and the key of the server verify each other, without the server; a changed file does not", async () => {
  await using trail = await openTrail();
  await using cli = await startCli(trail);
  await trail.write(["test.a", "test.b"]);
  const [file, csv, key] = ["a.ndjson", "a.csv", "key.pem"].map((name) => join(trail.folder, name)) as [
    string,
    string,
    string,
  ];
  expect((await cli.sluice("export", "--output", file)).code).toBe(0);
  expect((await cli.sluice("export", "--format", "csv", "--output", csv)).code).toBe(0);
  expect(await readFile(csv, "utf8")).toMatch(/^sequence,id,.*\r\n"1",/);
  expect((await readdir(trail.folder)).filter((name) => name.endsWith(".part"))).toEqual([]);
  await writeFile(key, (await cli.sluice("key")).stdout);
  const sound = await cli.sluice("verify", file, "--key", key);
  expect(sound.stdout).toMatch(
    /^Entries 1 to 2 are as written: the content of 2 was compared, .*\nKey: SHA-256 [0-9a-f]{64}\n$/,
  );
  expect(sound.code).toBe(0);
  expect((await cli.sluice("verify", file)).stdout).toContain("which a forger could have put there");
  await writeFile(file, (await readFile(file, "utf8")).replace("test.b", "test.x"));
  const changed = await cli.sluice("verify", file, "--key", key);
  expect(changed).toMatchObject({ code: 1 });
  expect(changed.stdout).toMatch(/^CHANGED: Entry 2 /);
  const { stdout } = await cli.sluice("verify", file, "--json");
  expect(JSON.parse(stdout)).toMatchObject({ ok: false, fault: "CHANGED", first_broken_sequence: 2 });
  expect(await cli.sluice("verify", join(trail.folder, "none"))).toMatchObject({ code: 1 });
  expect(await cli.sluice("verify", file, "--from", "1")).toMatchObject({ code: 2 });
});

test("an export takes no other file's place, and says where it cannot be written", async () => {
  await using trail = await openTrail();
  await using cli = await startCli(trail);
  const folder = await mkdtemp(join(trail.folder, "exports-"));
  const file = join(folder, "a.ndjson");
  await writeFile(file, "of last month");
  const refused = `${file} is there already: name another file, or remove it.\n`;
  expect(await cli.sluice("export", "--output", file)).toEqual({ code: 1, stdout: "", stderr: refused });
  expect(await readFile(file, "utf8")).toBe("of last month");
  for (const nowhere of [join(folder, "none", "b"), join(file, "b")]) {
    const stderr = `${nowhere} cannot be written: there is no such folder.\n`;
    expect(await cli.sluice("export", "--output", nowhere)).toEqual({ code: 1, stdout: "", stderr });
  }
  expect(await readdir(folder)).toEqual(["a.ndjson"]);
});

test("whose entries are looked for is said by e-mail address too", async () => {
  await using h = await startInstallation();
  await h.login();
  const settings = { url: h.url, dataDir: h.dataDir, configDir: h.dataDir };
  const of = (user: string) =>
    run(settings, ["list", "--user", user, "--action", "auth.login", "--succeeded", "--json"]);
  const { stdout, stderr } = await of(ADMIN.email.toUpperCase());
  const [admin] = await h.db.sql<{ id: string }[]>`select id from users where email = ${ADMIN.email}`;
  expect(JSON.parse(stdout), stderr).toMatchObject({ action: "auth.login", userId: admin?.id });
  const unknown = { code: 1, stdout: "", stderr: "There is no user nobody@example.com.\n" };
  expect(await of("nobody@example.com")).toEqual(unknown);
});

test("without a file the server verifies its log, and says what is broken", async () => {
  await using trail = await openTrail();
  await using cli = await startCli(trail);
  await trail.write(["test.a", "test.b"]);
  await trail.sealer.sealAll();
  const sound = await cli.sluice("verify");
  expect(sound.stdout).toMatch(/^Entries 1 to 2 are as they were written/);
  expect(sound.code).toBe(0);
  await trail.tamper("update audit_logs set action = 'x' where action = 'test.b'");
  const broken = await cli.sluice("verify");
  expect(broken.stdout).toMatch(/^CHANGED: Entry 2 is not as it was written\.\nIts id: [0-9a-f-]{36}\n$/);
  expect(broken.code).toBe(1);
  const { stdout } = await cli.sluice("verify", "--from", "1", "--to", "1", "--json");
  expect(JSON.parse(stdout)).toMatchObject({ ok: true, checked: "1" });
  expect(await cli.sluice("verify", "--from", "70", "--to", "65")).toMatchObject({ code: 2 });
  const empty = await cli.sluice("verify", "--from", "70");
  expect(empty).toMatchObject({ code: 1 });
  expect(empty.stdout).toMatch(/^There is no entry with a number in this range\./);
});
