import { expect, test } from "vitest";
import { CredentialType } from "../../../gen/sluice/v1/auth_pb.ts";
import { ADMIN, startAuth } from "./harness.ts";
import { startWire } from "./wire.ts";

test("a caller logs in, makes a key, uses it, pages through keys, revokes it and logs out", async () => {
  await using h = await startAuth();
  await using wire = await startWire(h);
  const { accessToken, refreshToken, user, expireTime } = await wire.client().login(ADMIN);
  expect(user).toMatchObject({ email: ADMIN.email, roles: ["admin"], isActive: true, version: 1 });
  expect(Number(expireTime?.seconds) - Date.now() / 1000).toBeGreaterThan(590);
  const me = wire.client(accessToken);
  expect((await me.getCaller({})).credentialType).toBe(CredentialType.ACCESS_TOKEN);
  const made = await me.createApiKey({ name: "ci", permissions: ["account:read", "jobs:read"] });
  const caller = await wire.client(made.secret).getCaller({});
  expect(caller).toMatchObject({ credentialType: CredentialType.API_KEY, credentialId: made.apiKey?.id });
  expect(caller.permissions).toEqual(["account:read", "jobs:read"]);
  const first = await me.listApiKeys({ pageSize: 1 });
  const second = await me.listApiKeys({ pageSize: 1, pageToken: first.nextPageToken });
  expect([...first.apiKeys, ...second.apiKeys].map(({ name }) => name).sort()).toEqual([
    "ci",
    "local machine",
  ]);
  expect(second.nextPageToken).toBe("");
  expect((await me.revokeApiKey({ id: made.apiKey!.id })).apiKey?.revokeTime).toBeDefined();
  await expect(wire.client(made.secret).getCaller({})).rejects.toThrow(/unauthenticated/);
  const next = await wire.client().refresh({ refreshToken });
  await wire.client(next.accessToken).logout({});
  await expect(me.getCaller({})).rejects.toThrow(/unauthenticated/);
});

test("refusals have the contract's codes, and say nothing of users", async () => {
  await using h = await startAuth();
  await using wire = await startWire(h);
  await expect(wire.client().getCaller({})).rejects.toThrow(/^\[unauthenticated\]/);
  await expect(wire.client().login({ email: ADMIN.email, password: "x" })).rejects.toThrow(
    "[unauthenticated] E-mail address or password is wrong.",
  );
  const { accessToken } = await wire.client().login(ADMIN);
  const { secret } = await wire
    .client(accessToken)
    .createApiKey({ name: "n", permissions: ["api_keys:create"] });
  const wide = wire.client(secret).createApiKey({ name: "n", permissions: ["users:create"] });
  await expect(wide).rejects.toThrow(/^\[permission_denied\]/);
  await expect(wire.client(secret).getCaller({})).rejects.toThrow(/^\[permission_denied\]/);
});

test("a foreign or altered page token is refused", async () => {
  await using h = await startAuth();
  await using wire = await startWire(h);
  const { accessToken } = await wire.client().login(ADMIN);
  const me = wire.client(accessToken);
  await me.createApiKey({ name: "n", permissions: ["jobs:read"] });
  const { nextPageToken } = await me.listApiKeys({ pageSize: 1 });
  await expect(me.listApiKeys({ pageToken: `${nextPageToken}AAAA` })).rejects.toThrow(
    /^\[invalid_argument\]/,
  );
  await expect(me.listApiKeys({ pageToken: nextPageToken, includeInactive: true })).rejects.toThrow(
    /^\[invalid_argument\]/,
  );
});

test("users and roles are listed page by page, and a token works only with the filter it came from", async () => {
  await using h = await startAuth();
  await using wire = await startWire(h);
  const { accessToken } = await wire.client().login(ADMIN);
  const me = wire.client(accessToken);
  for (const name of ["a", "b", "c"]) {
    const password = `password of ${name} here`;
    await me.createUser({
      email: `${name}@example.com`,
      displayName: `100% ${name}`,
      password,
      roles: ["viewer"],
    });
    await me.createRole({ name, permissions: ["jobs:read"] });
  }
  const emails: string[] = [];
  for (let pageToken = "", first = true; first || pageToken; first = false) {
    const page = await me.listUsers({ pageSize: 2, pageToken, role: "viewer", query: "100%" });
    emails.push(...page.users.map(({ email }) => email));
    if (pageToken)
      await expect(me.listUsers({ pageToken, role: "admin" })).rejects.toThrow(/invalid_argument/);
    if (pageToken) await expect(me.listRoles({ pageToken })).rejects.toThrow(/invalid_argument/);
    pageToken = page.nextPageToken;
  }
  expect(emails).toEqual(["c@example.com", "b@example.com", "a@example.com"]);
  const roles: string[] = [];
  for (let pageToken = "", first = true; first || pageToken; first = false) {
    const page = await me.listRoles({ pageSize: 2, pageToken });
    expect(page.roles.length).toBeLessThanOrEqual(2);
    roles.push(...page.roles.map(({ name }) => name));
    pageToken = page.nextPageToken;
  }
  expect(roles).toEqual(["viewer", "developer", "operator", "auditor", "admin", "c", "b", "a"]);
});

test("what the database cannot hold is a fault of the request", async () => {
  await using h = await startAuth();
  await using wire = await startWire(h);
  const me = wire.client((await wire.client().login(ADMIN)).accessToken);
  const nul = "a\0b";
  const calls = [
    wire.client().login({ email: nul, password: "x" }),
    me.createApiKey({ name: nul, permissions: ["jobs:read"] }),
    me.revokeApiKey({ id: nul }),
    me.createUser({
      email: "a@example.com",
      displayName: nul,
      password: "long enough a password",
      roles: ["viewer"],
    }),
    me.createUser({ email: "a@example.com", password: "long enough a password", roles: [nul] }),
    me.listUsers({ query: nul }),
    me.listUsers({ role: nul }),
    me.createRole({ name: "a", description: nul, permissions: ["jobs:read"] }),
    me.deleteRole({ name: nul }),
  ];
  for (const outcome of await Promise.allSettled(calls))
    expect(String((outcome as PromiseRejectedResult).reason)).toMatch(/\[invalid_argument\]/);
});

test("a password that somebody else chose is pointed out to its user until it is changed", async () => {
  await using h = await startAuth();
  await using wire = await startWire(h);
  const email = "new@example.com";
  const { generatedPassword } = await h.auth.admin.createUser({ email, roles: ["viewer"] });
  const password = generatedPassword ?? "";
  const { accessToken, user } = await wire.client().login({ email, password });
  expect(user?.mustChangePassword).toBe(true);
  const newPassword = "a password of my own";
  await wire.client(accessToken).changePassword({ currentPassword: password, newPassword });
  const own = await wire.client().login({ email, password: newPassword });
  expect(own.user?.mustChangePassword).toBe(false);
});

test("the public keys are served to anybody at the well-known place", async () => {
  await using h = await startAuth();
  await using wire = await startWire(h);
  const response = await fetch(`${wire.url}/.well-known/jwks.json`);
  expect(response.headers.get("content-type")).toBe("application/jwk-set+json");
  expect(((await response.json()) as { keys: unknown[] }).keys).toHaveLength(2);
  expect((await fetch(`${wire.url}/.well-known/jwks.json`, { method: "POST" })).status).toBe(405);
});
