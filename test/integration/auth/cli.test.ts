import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { expect, test } from "vitest";
import { runProgram } from "../../../src/cli/program.ts";
import { NO_COMMANDS } from "../../support/no-commands.ts";
import { type AuthHarness, PEER, startAuth } from "./harness.ts";
import { startWire } from "./wire.ts";

/** Runs commands against the real service with the machine's own key, an administrator's. */
async function startCommands(h: AuthHarness) {
  const wire = await startWire(h);
  const apiKey = (await readFile(join(h.dataDir, "local-api-key"), "utf8")).trim();
  const run = async (line: string, stdin = "", key = apiKey) => {
    const seen = { out: "", err: "" };
    const into = (name: "out" | "err") =>
      new Writable({
        write(chunk, _, done) {
          seen[name] += chunk;
          done();
        },
      });
    const code = await runProgram(line.split(" "), {
      ...NO_COMMANDS,
      settings: () => ({ url: wire.url, apiKey: key, dataDir: h.dataDir, configDir: h.dataDir }),
      io: { stdin: Readable.from([stdin]), stdout: into("out"), stderr: into("err") },
    });
    return { code, ...seen };
  };
  return { run, [Symbol.asyncDispose]: () => wire[Symbol.asyncDispose]() };
}

test("users are created, shown, changed, disabled, enabled and reset from the command line", async () => {
  await using h = await startAuth();
  await using commands = await startCommands(h);
  const { run } = commands;
  const email = "me@example.com";
  const login = (password: string) => h.outcome(h.auth.service.login({ email, password }, PEER));
  expect(await run(`users create ${email} --role viewer --name Me`, "first password\n")).toEqual({
    code: 0,
    out: "Created me@example.com with the roles viewer.\n",
    err: "",
  });
  expect(await login("first password")).toBe("ACCEPTED");
  const made = JSON.parse(
    (await run(`users create x@y.example --role viewer --generate-password --json`)).out,
  );
  const generated = { email: "x@y.example", password: made.generatedPassword };
  expect(await h.outcome(h.auth.service.login(generated, PEER))).toBe("ACCEPTED");
  expect((await run("users list --role viewer --query Me@EXAMPLE")).out).toMatch(
    /^ID +EMAIL .*\n\S{36} +me@example\.com +viewer +yes +2\S+Z +Me\n$/,
  );
  expect((await run(`users get ${email.toUpperCase()}`)).out).toMatch(
    /Kind +person\n(.*\n)*Password +chosen/,
  );
  expect((await run(`users update ${email} --role developer auditor --json`)).out).toMatch(
    /"roles":\["developer","auditor"\]/,
  );
  expect(await run(`users update ${email}`)).toMatchObject({ code: 2 });
  expect((await run(`users disable ${email}`)).out).toBe("me@example.com is disabled.\n");
  expect(await login("first password")).toBe("LOGIN_FAILED");
  expect((await run("users list --disabled")).out).toContain(email);
  expect((await run(`users enable ${email}`)).out).toBe("me@example.com is enabled.\n");
  const reset = await run(`users reset-password ${email}`);
  expect(reset).toMatchObject({ code: 0, err: expect.stringContaining("All sessions of me@example.com") });
  expect(await login(reset.out.trim())).toBe("ACCEPTED");
  await writeFile(join(h.dataDir, "p"), "a password of mine\n");
  expect((await run(`users reset-password ${email} --password-file ${join(h.dataDir, "p")}`)).out).toBe("");
  expect(await login("a password of mine")).toBe("ACCEPTED");
  expect(await run("users get nobody@example.com")).toEqual({
    code: 1,
    out: "",
    err: "There is no user nobody@example.com.\n",
  });
  expect((await run("users disable admin@example.com")).err).toMatch(/^LAST_ADMIN: admin@example\.com can /);
});

test("a user of an external issuer is shown by subject and issuer", async () => {
  await using h = await startAuth();
  await using commands = await startCommands(h);
  const { run } = commands;
  const [user] = await h.db.sql`
    insert into users (id, issuer, subject, roles)
    values (gen_random_uuid(), 'https://login.example.org', 'alice', '{}') returning id`;
  const name = "alice of https://login.example.org";
  expect((await run("users list")).out).toContain(`${user?.id}  ${name}`);
  expect((await run(`users get ${user?.id}`)).out).toMatch(/Issuer +https:\/\/login\S+\nSubject +alice\n/);
  expect((await run(`users disable ${user?.id}`)).out).toBe(`${name} is disabled.\n`);
});

test("roles, service accounts and their keys are kept from the command line", async () => {
  await using h = await startAuth();
  await using commands = await startCommands(h);
  const { run } = commands;
  expect((await run("roles create watcher --permission jobs:read account:read")).out).toBe(
    "The role watcher is created, at version 1.\n",
  );
  expect((await run("roles create other --permission jobs:raed")).err).toContain("is jobs:read meant?");
  expect((await run("roles update watcher --description Watches")).out).toContain("at version 2");
  expect((await run("roles get watcher")).out).toBe("account:read\njobs:read\n");
  expect((await run("roles list")).out).toMatch(/\nwatcher +custom +2 +Watches\n$/);
  const robot = await run("users create robot@example.com --role watcher --service");
  expect(robot.out).toContain("sluice api-keys create NAME --user robot@example.com");
  expect((await run("roles delete watcher")).err).toMatch(/^ROLE_IN_USE: /);
  const key = await run(
    "api-keys create ci --user robot@example.com --permission jobs:read account:read --days 7",
  );
  expect(key).toMatchObject({ code: 0, out: expect.stringMatching(/^slk_\S+\n$/) });
  const caller = await h.as(key.out.trim());
  expect(caller.email).toBe("robot@example.com");
  expect((await run("api-keys list --user robot@example.com")).out).toMatch(/\n\S+ +ci +good +2\S+Z +/);
  expect((await run("api-keys list", "", key.out.trim())).err).toMatch(/^PERMISSION_DENIED: /);
  expect((await run(`api-keys revoke ${caller.credentialId}`)).out).toContain("is revoked.\n");
  expect((await run("api-keys list --user robot@example.com")).out.split("\n")).toHaveLength(2);
  expect((await run("users update robot@example.com --role viewer")).code).toBe(0);
  expect((await run("roles delete watcher")).out).toBe("The role watcher is deleted.\n");
});

test("a logout leaves the keys that were made after the login; a revocation of the login's key ends them", async () => {
  await using h = await startAuth();
  await using commands = await startCommands(h);
  const run = (line: string, stdin = "") => commands.run(line, stdin, "");
  const { email, password } = await h.userWith("developer");
  expect(await run(`login --email ${email}`, `${password}\n`)).toMatchObject({ code: 0 });
  const made = JSON.parse((await run("api-keys create ci --permission jobs:read --json")).out);
  const outcome = () => h.outcome(h.as(made.secret));
  expect((await run("logout")).err).toMatch(/^Logged out at \S+\n$/);
  expect(await outcome()).toBe("ACCEPTED");
  expect(await commands.run(`api-keys revoke ${made.makerKeyId} --keep-made-keys`)).toMatchObject({
    code: 0,
  });
  expect(await outcome()).toBe("ACCEPTED");
  expect(await commands.run(`api-keys revoke ${made.makerKeyId}`)).toMatchObject({ code: 0 });
  expect(await outcome()).toBe("CREDENTIAL_INVALID");
});
