import { afterAll, beforeAll, expect, test } from "vitest";
import type { Auth } from "../../../src/auth/auth.ts";
import type { Caller } from "../../../src/lib/caller.ts";
import type { OidcIssuer } from "../../../src/lib/oidc-issuers.ts";
import { AUDIENCE, startIssuer, type TestIssuer } from "../../support/oidc.ts";
import { ADMIN, type AuthHarness, PEER, startAuth } from "./harness.ts";

const IN_FORCE = { timeout: 5_000 };
let issuer: TestIssuer;

beforeAll(async () => {
  issuer = await startIssuer({
    clients: {
      alice: { groups: ["documents"], name: "Alice\u0007 Example", email: "alice@example.org" },
      mallory: { groups: ["documents"], email: ADMIN.email, email_verified: true, name: "Administrator" },
      carol: { groups: ["choir"] },
    },
  });
});
afterAll(() => issuer[Symbol.asyncDispose]());

const trusted = (
  roles: Record<string, string[]> = { documents: ["developer"], operations: ["operator"] },
) => ({
  oidcIssuers: [
    {
      issuer: issuer.url,
      audience: AUDIENCE,
      jwksUri: null,
      algorithms: ["ES256"],
      claim: ["groups"],
      roles: new Map(Object.entries(roles)),
    } satisfies OidcIssuer,
  ],
});

const externalUsers = (h: AuthHarness) =>
  h.db.sql`select * from users where issuer is not null order by subject`;

test("twenty first tokens at once, on two servers, make one user, who is the issuer's subject and has one audit row", async () => {
  await using h = await startAuth(trusted());
  const other = await h.another();
  const text = await issuer.token("alice");
  const callers = await Promise.all(
    Array.from({ length: 20 }, (_, n) => h.as(text, n % 2 === 0 ? h.auth : other)),
  );
  expect(new Set(callers.map(({ userId }) => userId)).size).toBe(1);
  const [caller] = callers;
  expect(caller).toMatchObject({ credential: "external", email: "", ...PEER });
  expect(caller?.external).toEqual({ issuer: issuer.url, subject: "alice", roles: ["developer"] });
  expect(caller?.permissions.has("jobs:create")).toBe(true);
  expect(await externalUsers(h)).toMatchObject([
    {
      id: caller?.userId,
      issuer: issuer.url,
      subject: "alice",
      email: null,
      roles: "{}",
      passwordHash: null,
    },
  ]);
  expect(await h.auth.service.getCaller(caller!)).toMatchObject({
    email: "",
    displayName: "Alice Example <alice@example.org>",
    roles: ["developer"],
    issuer: issuer.url,
    subject: "alice",
  });
  const rows = await h.db.sql`
    select * from audit_logs where action = 'users.create' and request_details->>'subject' = 'alice'`;
  expect(rows).toMatchObject([
    { userId: caller?.userId, resourceId: caller?.userId, credentialId: expect.stringMatching(/.{20}/) },
  ]);
  expect(JSON.stringify(rows)).not.toContain(text);
  // Later tokens stand for the same user.
  expect((await h.as(await issuer.token("alice"))).userId).toBe(caller?.userId);
});

test("whoever claims the e-mail address of a user becomes somebody else, and takes nothing from that user", async () => {
  await using h = await startAuth(trusted());
  const mallory = await h.as(await issuer.token("mallory"));
  const admin = await h.auth.service.login(ADMIN, PEER);
  expect(mallory.userId).not.toBe(admin.user.id);
  expect(mallory.permissions.has("users:read")).toBe(false);
  expect(await h.auth.service.getCaller(mallory)).toMatchObject({ email: "" });
  // Not the other way round either: the address is free for a user of ours.
  await h.as(await issuer.token("alice"));
  const { user } = await h.auth.admin.createUser({ email: "alice@example.org", roles: ["viewer"] });
  expect(user.issuer).toBeNull();
  expect(await h.outcome(h.auth.service.login({ email: "", password: "x" }, PEER))).toBe("LOGIN_FAILED");
  expect(await externalUsers(h)).toHaveLength(2);
  const merge = h.db.sql`update users set email = 'x@example.org' where id = ${mallory.userId}`;
  await expect(merge).rejects.toThrow(/users_identity/);
});

test("roles follow the claim at each token, custom ones too, and nothing that is kept here makes them wider", async () => {
  await using h = await startAuth();
  await h.db.sql`insert into roles (name, permissions) values ('watcher', '{jobs:read:any,account:read}')`;
  const auth = await h.another(
    trusted({ documents: ["developer"], operations: ["operator"], watch: ["watcher"] }),
  );
  const caller = await h.as(await issuer.token("alice"), auth);
  expect(caller.permissions.has("jobs:read:any")).toBe(false);
  await h.db.sql`update users set roles = '{admin}' where id = ${caller.userId}`;
  h.time.advance(3_000);
  expect((await h.as(await issuer.token("alice"), auth)).permissions.has("users:read")).toBe(false);
  await issuer.setClaims("alice", { groups: ["operations", "admin"] });
  const operator = await h.as(await issuer.token("alice"), auth);
  expect(operator).toMatchObject({ userId: caller.userId, external: { roles: ["operator"] } });
  expect(operator.permissions.has("jobs:read:any")).toBe(true);
  await issuer.setClaims("alice", { groups: ["watch"] });
  const watcher = await h.as(await issuer.token("alice"), auth);
  expect([...watcher.permissions].sort()).toEqual(["account:read", "jobs:read", "jobs:read:any"]);
  // An open stream ends when the custom role loses what it gave.
  await h.db.sql`update roles set permissions = '{account:read}' where name = 'watcher'`;
  await expect.poll(() => h.outcome(auth.revalidate(watcher)), IN_FORCE).toBe("CREDENTIAL_INVALID");
  await issuer.setClaims("alice", { groups: ["documents"] });
});

test("a good token without a role is told so, and makes no user", async () => {
  await using h = await startAuth(trusted());
  const refusal = await h.as(await issuer.token("carol")).catch((error) => error);
  expect(refusal).toMatchObject({ kind: "permission_denied", metadata: { claim: "groups" } });
  expect(await externalUsers(h)).toEqual([]);
});

test("a disabled user is out on every server within five seconds, new tokens and open streams included", async () => {
  await using h = await startAuth(trusted());
  const other = await h.another();
  const text = await issuer.token("alice");
  const [here, there] = [await h.as(text), await h.as(text, other)];
  await h.auth.revalidate(here);
  await other.revalidate(there);
  await h.db.sql`update users set is_active = false where id = ${here.userId}`;
  for (const [auth, caller] of [
    [h.auth, here],
    [other, there],
  ] as const) {
    await expect.poll(() => h.outcome(h.as(text, auth)), IN_FORCE).toBe("CREDENTIAL_INVALID");
    expect(await h.outcome(auth.revalidate(caller))).toBe("CREDENTIAL_INVALID");
  }
  expect(await h.outcome(h.as(await issuer.token("alice")))).toBe("CREDENTIAL_INVALID");
  expect(await h.outcome(h.as((await h.auth.service.login(ADMIN, PEER)).accessToken))).toBe("ACCEPTED");
});

test("a user whom the issuer can give more than the caller holds is neither disabled nor enabled by that caller", async () => {
  await using h = await startAuth(trusted({ documents: ["developer"], root: ["admin"] }));
  await h.db
    .sql`insert into roles (name, permissions) values ('helpdesk', '{users:read,users:update,jobs:read}')`;
  const without = await h.another({ oidcIssuers: [] });
  const narrow = await h.another(trusted({ documents: ["helpdesk"] }));
  const { userId: id } = await h.as(await issuer.token("alice"));
  const { caller: helpdesk } = await h.userWith("helpdesk");
  const admin = await h.as((await h.auth.service.login(ADMIN, PEER)).accessToken);
  const unset = { expectedVersion: 0, displayName: null, roles: [] };
  const turn = (auth: Auth, caller: Caller, isActive: boolean) =>
    auth.service.updateUser(caller, { ...unset, id, isActive });
  for (const auth of [h.auth, without]) {
    const refusal = await turn(auth, helpdesk, false).catch((error) => error);
    expect(refusal).toMatchObject({ reason: "PERMISSION_TOO_WIDE" });
    expect(refusal.message).toContain(`alice of ${issuer.url} holds`);
    expect((await turn(auth, admin, false)).isActive).toBe(false);
    expect(await h.outcome(turn(auth, helpdesk, true))).toBe("PERMISSION_TOO_WIDE");
    expect((await turn(auth, admin, true)).isActive).toBe(true);
  }
  expect((await turn(narrow, helpdesk, false)).isActive).toBe(false);
});

test("an external token changes no account and makes no key that would outlive its roles", async () => {
  await using h = await startAuth(trusted({ documents: ["admin"] }));
  const caller = await h.as(await issuer.token("alice"));
  const kept = ["account:update", "api_keys:create", "api_keys:create:any"];
  expect(kept.filter((permission) => caller.permissions.has(permission))).toEqual([]);
  const key = { name: "n", permissions: ["api_keys:create"], expireTime: null, requestId: "", userId: "" };
  expect(await h.outcome(h.auth.service.createApiKey(caller, key))).toBe("PERMISSION_DENIED");
});

test("a server does not start with an issuer that it may not call", async () => {
  await using h = await startAuth();
  const [described] = trusted().oidcIssuers;
  const inside = { ...described!, issuer: "http://10.0.0.1", jwksUri: null };
  await expect(h.another({ oidcIssuers: [inside] })).rejects.toThrow(
    /SLUICE_OIDC_ISSUERS.*\n.*may not call http:\/\/10.0.0.1/,
  );
});

test("a mapped role that nobody has made is warned of at the start, and gives nothing", async () => {
  await using h = await startAuth(trusted({ documents: ["develper", "viewer"], choir: ["develper"] }));
  expect(h.warnings).toEqual([
    { issuer: issuer.url, roles: ["develper"], message: expect.stringContaining("roles that do not exist") },
  ]);
  expect((await h.as(await issuer.token("alice"))).permissions.has("jobs:read")).toBe(true);
  expect([...(await h.as(await issuer.token("carol"))).permissions]).toEqual([]);
});
