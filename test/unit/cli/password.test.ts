import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startAuthServer } from "./auth-server.ts";
import { createHome } from "./run.ts";

const OLD = "first password";
const NEW = "second password";
const size = { columns: 100, rows: 24 };
const login = ["login", "--email", "a@example.com"];

test("login tells that the password should be changed and how, and says nothing when it need not be", async () => {
  await using server = await startAuthServer({ mustChange: true });
  await using home = await createHome();
  const options = { url: server.url, stdin: `${OLD}\n` };
  const told = await home.sluice(login, options);
  expect(told).toMatchObject({ code: 0, stderr: expect.stringContaining("should be changed") });
  expect(told.stderr).toMatch(/\n {2}sluice password\n$/);
  server.state.mustChange = false;
  expect((await home.sluice(login, options)).stderr).not.toContain("should be changed");
});

test("login reads the password from a file", async () => {
  await using server = await startAuthServer();
  await using home = await createHome();
  await writeFile(join(home.folder, "p"), `${OLD}\n`);
  expect(await home.sluice([...login, "--password-file", "p"], { url: server.url })).toMatchObject({
    code: 0,
  });
});

test("where no server is, login says so in one sentence", async () => {
  await using home = await createHome();
  expect(await home.sluice(login, { url: "http://127.0.0.1:9", stdin: "x\n" })).toMatchObject({
    code: 1,
    stderr: "No Sluice answers at http://127.0.0.1:9. Start one with `sluice serve`, or set SLUICE_URL.\n",
  });
});

test("password asks for the old one and twice for the new one, and none of them shows", async () => {
  await using server = await startAuthServer();
  await using home = await createHome();
  await home.sluice(login, { url: server.url, stdin: `${OLD}\n` });
  const typed = `${OLD}\r${NEW}x\u007f\r${NEW}\r`;
  const { code, stdout } = await home.onTerminal(["password"], size, { url: server.url, stdin: typed });
  expect(code).toBe(0);
  expect(server.state.password).toBe(NEW);
  const [, shown = ""] = stdout.split("Password of a@example.com until now:");
  expect(shown).toContain("The new password again:");
  expect(shown).not.toMatch(/(first|second) password/);
});

test("an answer that comes at once when it is asked for does not show either", async () => {
  await using server = await startAuthServer();
  await using home = await createHome();
  const answered = await home.onTerminal(login, size, {
    url: server.url,
    answers: [{ when: "Password: ", type: `${OLD}\r` }],
  });
  expect(answered).toMatchObject({ code: 0, stdout: expect.stringContaining("Logged in") });
  expect(answered.stdout).not.toContain(OLD);
});

test("two new passwords that differ change nothing", async () => {
  await using server = await startAuthServer();
  await using home = await createHome();
  await home.sluice(login, { url: server.url, stdin: `${OLD}\n` });
  const { code, stdout } = await home.onTerminal(["password"], size, {
    url: server.url,
    stdin: `${OLD}\r${NEW}\rother\r`,
  });
  expect(code).toBe(2);
  expect(stdout).toContain("The two new passwords differ; nothing was changed.");
  expect(server.state.calls).not.toContain("changePassword");
});

test("scripts give both passwords as files or as two lines on stdin, and need no login before", async () => {
  await using server = await startAuthServer();
  await using home = await createHome();
  await writeFile(join(home.folder, "old"), `${OLD}\n`);
  await writeFile(join(home.folder, "new"), `${NEW}\n`);
  const who = ["password", "--email", "a@example.com"];
  const files = ["--password-file", "old", "--new-password-file", "new"];
  expect(await home.sluice([...who, ...files], { url: server.url })).toMatchObject({ code: 0, stdout: "" });
  expect(server.state.password).toBe(NEW);
  expect(await home.sluice(who, { url: server.url, stdin: `${NEW}\nthird password\n` })).toMatchObject({
    code: 0,
  });
  expect(server.state.password).toBe("third password");
});

test("a wrong old password and a missing login are each told in one sentence", async () => {
  await using server = await startAuthServer();
  await using home = await createHome();
  expect(await home.sluice(["password"], { url: server.url, stdin: "x\ny\n" })).toEqual({
    code: 1,
    stdout: "",
    stderr: `Nobody is logged in at ${server.url}. Say who you are: \`sluice password --email ADDRESS\`.\n`,
  });
  await home.sluice(login, { url: server.url, stdin: `${OLD}\n` });
  expect(await home.sluice(["password"], { url: server.url, stdin: `wrong\n${NEW}\n` })).toEqual({
    code: 1,
    stdout: "",
    stderr: "The password until now is not right; nothing was changed.\n",
  });
  expect(server.state.password).toBe(OLD);
});

test("who is logged in with tokens is still logged in after the change", async () => {
  await using server = await startAuthServer({ mayMakeKeys: false });
  await using home = await createHome();
  expect((await home.sluice(login, { url: server.url, stdin: `${OLD}\n` })).code).toBe(0);
  const change = (from: string, to: string) =>
    home.sluice(["password"], { url: server.url, stdin: `${from}\n${to}\n` });
  expect((await change(OLD, NEW)).code).toBe(0);
  expect((await change(NEW, "third password")).code).toBe(0);
  expect(server.state.password).toBe("third password");
});
