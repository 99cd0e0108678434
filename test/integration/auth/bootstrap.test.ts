import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createAuditor } from "../../../src/audit/auditor.ts";
import { bootstrapAdmin } from "../../../src/auth/bootstrap.ts";
import { localCredentials } from "../../../src/auth/local-key.ts";
import { loadMasterKey, parseMasterKey } from "../../../src/auth/master-key.ts";
import { createPasswords } from "../../../src/auth/passwords.ts";
import { ADMIN, openTestDatabase, PEER, startAuth } from "./harness.ts";

const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

test("of twenty first starts at once exactly one makes the administrator, with the password in its file", async () => {
  await using db = await openTestDatabase();
  const base = await mkdtemp(join(tmpdir(), "sluice-bootstrap-"));
  const dataDir = join(base, "data");
  const passwords = createPasswords({ concurrency: 2 });
  const start = () =>
    bootstrapAdmin({ db, audit: createAuditor(), passwords, dataDir, logger: { info() {} } });
  const results = await Promise.all(Array.from({ length: 20 }, start));
  const winners = results.filter(({ created }) => created);
  expect(winners).toEqual([
    { created: true, email: "admin@localhost", passwordPath: join(dataDir, "admin-password") },
  ]);
  expect(results.every(({ email }) => email === "admin@localhost")).toBe(true);
  const users = await db.sql`select password_hash, must_change_password from users`;
  expect(users).toHaveLength(1);
  expect(users[0]?.mustChangePassword).toBe(true);
  const password = (await readFile(join(dataDir, "admin-password"), "utf8")).trim();
  expect(password.length).toBeGreaterThanOrEqual(20);
  expect((await passwords.verify(users[0]!.passwordHash, password)).matches).toBe(true);
  expect(await modeOf(join(dataDir, "admin-password"))).toBe("600");
  expect(await modeOf(dataDir)).toBe("700");
  expect(await db.sql`select 1 from audit_logs where action = 'auth.bootstrap'`).toHaveLength(1);
  expect(await start()).toEqual({ created: false, email: "admin@localhost" });
  await rm(base, { recursive: true });
});

test("no administrator is made whose password could not be written", async () => {
  await using db = await openTestDatabase();
  const base = await mkdtemp(join(tmpdir(), "sluice-bootstrap-"));
  const dataDir = join(base, "file");
  await writeFile(dataDir, "in the way");
  const start = bootstrapAdmin({
    db,
    audit: createAuditor(),
    passwords: createPasswords({ concurrency: 1 }),
    dataDir,
    logger: { info() {} },
  });
  await expect(start).rejects.toMatchObject({ reason: "SECRET_FILE_UNUSABLE" });
  expect(await db.sql`select 1 from users`).toHaveLength(0);
  await rm(base, { recursive: true });
});

test("a configured password is used and written nowhere, and later starts change nothing", async () => {
  await using h = await startAuth();
  expect(h.auth.bootstrap).toEqual({ created: true, email: ADMIN.email });
  await expect(stat(join(h.dataDir, "admin-password"))).rejects.toThrow();
  const again = await h.another({ adminEmail: "other@example.com", adminPassword: "another password" });
  expect(again.bootstrap).toEqual({ created: false, email: ADMIN.email });
  expect(await h.outcome(h.auth.service.login(ADMIN, PEER))).toBe("ACCEPTED");
});

test("the machine's own key works without a login, survives restarts, and is replaced when it does not", async () => {
  await using h = await startAuth();
  const path = join(h.dataDir, "local-api-key");
  expect(await modeOf(path)).toBe("600");
  const first = await localCredentials(h.dataDir);
  const caller = await h.as(first ?? "");
  expect(caller).toMatchObject({ email: ADMIN.email, credential: "api_key" });
  expect(caller.permissions.has("users:create")).toBe(true);
  await h.another();
  expect(await localCredentials(h.dataDir)).toBe(first);

  await h.auth.service.revokeApiKey(caller, { id: caller.credentialId });
  await h.another();
  const second = await localCredentials(h.dataDir);
  expect(second).not.toBe(first);
  expect(await h.outcome(h.as(second ?? ""))).toBe("ACCEPTED");

  await writeFile(path, "garbage");
  expect(await localCredentials(h.dataDir)).toBeNull();
  await h.another();
  expect(await h.outcome(h.as((await localCredentials(h.dataDir)) ?? ""))).toBe("ACCEPTED");

  h.time.advance(340 * 86_400_000);
  const before = await localCredentials(h.dataDir);
  await h.another();
  expect(await localCredentials(h.dataDir)).not.toBe(before);
});

test("all processes that share a data folder get one master key", async () => {
  const base = await mkdtemp(join(tmpdir(), "sluice-master-"));
  const keys = await Promise.all(Array.from({ length: 20 }, () => loadMasterKey(join(base, "data"))));
  expect(new Set(keys.map((key) => key.toString("hex"))).size).toBe(1);
  expect(keys[0]).toHaveLength(32);
  expect(await modeOf(join(base, "data", "master-key"))).toBe("600");
  await writeFile(join(base, "data", "master-key"), "");
  await expect(loadMasterKey(join(base, "data"))).rejects.toMatchObject({ reason: "SECRET_FILE_UNUSABLE" });
  await rm(base, { recursive: true });
});

test("a master key is 32 bytes or more in hex or base64, and nothing shorter", () => {
  const key = randomBytes(32);
  expect(parseMasterKey(key.toString("hex"))).toEqual(key);
  expect(parseMasterKey(` ${key.toString("base64")}\n`)).toEqual(key);
  for (const text of ["", "changeme", randomBytes(31).toString("hex"), "z".repeat(20)])
    expect(parseMasterKey(text)).toBeNull();
});

test("the administrator's commands make users and reset passwords, and refuse what is wrong", async () => {
  await using h = await startAuth();
  const { user, generatedPassword } = await h.auth.admin.createUser({
    email: "New@Example.com",
    roles: ["viewer"],
  });
  expect(user).toMatchObject({ email: "new@example.com", roles: ["viewer"], mustChangePassword: true });
  const tokens = await h.auth.service.login(
    { email: "new@example.com", password: generatedPassword ?? "" },
    PEER,
  );
  expect(tokens.user.mustChangePassword).toBe(true);
  const reset = await h.auth.admin.resetPassword({
    email: "NEW@example.com",
    password: "a password of mine",
  });
  expect(reset.generatedPassword).toBeNull();
  await expect.poll(() => h.outcome(h.as(tokens.accessToken))).toBe("CREDENTIAL_INVALID");
  const create = (email: string, roles: string[], password?: string) =>
    h.outcome(h.auth.admin.createUser({ email, roles, password }));
  expect(await create("new@EXAMPLE.com", ["viewer"])).toBe("USER_EXISTS");
  expect(await create("x@example.com", ["root"])).toBe("ROLE_NOT_FOUND");
  expect(await create("x@example.com", ["viewer"], "short")).toBe("INVALID_REQUEST");
  expect(await create("nobody", ["viewer"])).toBe("INVALID_REQUEST");
  expect(await h.outcome(h.auth.admin.resetPassword({ email: "nobody@example.com" }))).toBe("USER_NOT_FOUND");
});
