import { expect, test } from "vitest";
import type { Caller } from "../../../src/lib/caller.ts";
import { ADMIN, type AuthHarness, PEER, startAuth } from "./harness.ts";

const PASSWORD = "a password for tests";

async function admin(h: AuthHarness): Promise<Caller> {
  return await h.as((await h.auth.service.login(ADMIN, PEER)).accessToken);
}

const create = (h: AuthHarness, caller: Caller, email: string, changes: object = {}) =>
  h.auth.service.createUser(caller, {
    email,
    displayName: "",
    password: PASSWORD,
    roles: ["viewer"],
    isServiceAccount: false,
    requestId: "",
    ...changes,
  });

const update = (h: AuthHarness, caller: Caller, id: string, changes: object, auth = h.auth) =>
  auth.service.updateUser(caller, {
    id,
    expectedVersion: 0,
    displayName: null,
    roles: [],
    isActive: null,
    ...changes,
  });

const reset = (h: AuthHarness, caller: Caller, userId: string, password = "") =>
  h.auth.service.resetPassword(caller, { userId, password });

test("an administrator makes a user, who logs in with the roles that were given", async () => {
  await using h = await startAuth();
  const caller = await admin(h);
  const made = await create(h, caller, "New@Example.com", { displayName: "New", roles: ["developer"] });
  expect(made).toMatchObject({
    email: "new@example.com",
    displayName: "New",
    roles: ["developer"],
    isActive: true,
    mustChangePassword: true,
    version: 1,
  });
  const tokens = await h.auth.service.login({ email: "new@example.com", password: PASSWORD }, PEER);
  expect((await h.as(tokens.accessToken)).permissions.has("jobs:create")).toBe(true);
  expect(await h.auth.service.getUser(made.id)).toMatchObject({ id: made.id, email: "new@example.com" });
  expect(await h.outcome(create(h, caller, "NEW@example.COM"))).toBe("USER_EXISTS");
  expect(await h.outcome(create(h, caller, "x@example.com", { roles: ["root"] }))).toBe("ROLE_NOT_FOUND");
  const weak = [{ password: "" }, { password: "short" }, { password: "long-enough@example.com" }];
  for (const changes of weak)
    expect(await h.outcome(create(h, caller, "long-enough@example.com", changes))).toBe("INVALID_REQUEST");
  expect(await h.outcome(create(h, caller, "robot@example.com", { isServiceAccount: true }))).toBe(
    "INVALID_REQUEST",
  );
  expect(await h.outcome(h.auth.service.getUser(caller.credentialId))).toBe("USER_NOT_FOUND");
});

test("of twenty equal requests at once one user is made, and another body under their id is refused", async () => {
  await using h = await startAuth();
  const caller = await admin(h);
  const request = (changes = {}) => create(h, caller, "once@example.com", { requestId: "r1", ...changes });
  const made = await Promise.all(Array.from({ length: 20 }, () => request()));
  expect(new Set(made.map(({ id }) => id)).size).toBe(1);
  expect(await h.db.sql`select 1 from audit_logs where action = 'users.create'`).toHaveLength(1);
  for (const other of [{ roles: ["developer"] }, { password: "another password" }, { displayName: "x" }])
    expect(await h.outcome(request(other))).toBe("REQUEST_ID_REUSED");
  const { caller: colleague } = await h.userWith("admin", "colleague@example.com");
  expect(await h.outcome(create(h, colleague, "other@example.com", { requestId: "r1" }))).toBe("ACCEPTED");
  await h.db.sql`update users set created_at = now() - interval '25 hours' where email = 'once@example.com'`;
  expect((await create(h, caller, "later@example.com", { requestId: "r1" })).email).toBe("later@example.com");
  const [stored] = await h.db.sql`select string_agg(request_hash, ' ') as hashes from users`;
  expect(stored?.hashes).not.toContain(PASSWORD);
});

test("a change takes the version that was seen, and one that changes nothing makes none", async () => {
  await using h = await startAuth();
  const caller = await admin(h);
  const { id } = await create(h, caller, "u@example.com", { roles: ["viewer", "auditor"] });
  const renamed = await update(h, caller, id, { expectedVersion: 1, displayName: "Name" });
  expect(renamed).toMatchObject({ displayName: "Name", roles: ["viewer", "auditor"], version: 2 });
  expect(await h.outcome(update(h, caller, id, { expectedVersion: 1, isActive: false }))).toBe(
    "VERSION_CONFLICT",
  );
  const same = { displayName: "Name", roles: ["auditor", "viewer"], isActive: true };
  expect((await update(h, caller, id, same)).version).toBe(2);
  expect(await h.db.sql`select 1 from audit_logs where action = 'users.update'`).toHaveLength(1);
  expect(await h.outcome(update(h, caller, caller.credentialId, { displayName: "x" }))).toBe(
    "USER_NOT_FOUND",
  );
});

test("a disabled user is out on every server within five seconds; enabled again, keys work and sessions do not", async () => {
  await using h = await startAuth();
  const other = await h.another();
  const caller = await admin(h);
  const { id, email, password } = await h.userWith("developer");
  const { accessToken, refreshToken } = await h.auth.service.login({ email, password }, PEER);
  const mine = await h.as(accessToken);
  const wanted = { name: "n", permissions: ["jobs:read"], expireTime: null, requestId: "", userId: "" };
  const { secret } = await h.auth.service.createApiKey(mine, wanted);
  const there = (credential: string) => h.outcome(h.as(credential, other));
  expect([await there(accessToken), await there(secret)]).toEqual(["ACCEPTED", "ACCEPTED"]);
  await update(h, caller, id, { isActive: false });
  expect(await h.outcome(h.as(secret))).toBe("CREDENTIAL_INVALID");
  expect(await h.outcome(h.auth.revalidate(mine))).toBe("CREDENTIAL_INVALID");
  await expect.poll(() => there(accessToken), { timeout: 5_000 }).toBe("CREDENTIAL_INVALID");
  await expect.poll(() => there(secret), { timeout: 5_000 }).toBe("CREDENTIAL_INVALID");
  expect(await h.outcome(h.auth.service.login({ email, password }, PEER))).toBe("LOGIN_FAILED");
  await update(h, caller, id, { isActive: true });
  expect(await h.outcome(h.as(secret))).toBe("ACCEPTED");
  expect(await h.outcome(h.as(accessToken))).toBe("CREDENTIAL_INVALID");
  expect(await h.outcome(h.auth.service.refresh(refreshToken, PEER))).toBe("REFRESH_TOKEN_INVALID");
});

test("other roles are in force on every server within five seconds, in the session that stands", async () => {
  await using h = await startAuth();
  const other = await h.another();
  const caller = await admin(h);
  const { id, email, password } = await h.userWith("viewer");
  const { accessToken } = await h.auth.service.login({ email, password }, PEER);
  const mayCreate = async () => (await h.as(accessToken, other)).permissions.has("jobs:create");
  expect(await mayCreate()).toBe(false);
  await update(h, caller, id, { roles: ["developer"] });
  await expect.poll(mayCreate, { timeout: 5_000 }).toBe(true);
  await update(h, caller, id, { roles: ["viewer"] });
  await expect.poll(mayCreate, { timeout: 5_000 }).toBe(false);
});

test("a reset password ends all sessions, is the only one that works, and is told to be changed", async () => {
  await using h = await startAuth();
  const other = await h.another();
  const caller = await admin(h);
  const { id, email, password } = await h.userWith("developer");
  const { accessToken, refreshToken } = await h.auth.service.login({ email, password }, PEER);
  expect(await h.outcome(h.as(accessToken, other))).toBe("ACCEPTED");
  const made = await reset(h, caller, id);
  expect(made?.length).toBeGreaterThanOrEqual(20);
  await expect.poll(() => h.outcome(h.as(accessToken, other)), { timeout: 5_000 }).toBe("CREDENTIAL_INVALID");
  expect(await h.outcome(h.auth.service.refresh(refreshToken, PEER))).toBe("REFRESH_TOKEN_INVALID");
  expect(await h.outcome(h.auth.service.login({ email, password }, PEER))).toBe("LOGIN_FAILED");
  const tokens = await h.auth.service.login({ email, password: made ?? "" }, PEER);
  expect(tokens.user.mustChangePassword).toBe(true);
  expect(await reset(h, caller, id, PASSWORD)).toBeNull();
  expect(await h.outcome(h.auth.service.login({ email, password: PASSWORD }, PEER))).toBe("ACCEPTED");
  expect(await h.outcome(reset(h, caller, id, email))).toBe("INVALID_REQUEST");
  const robot = await create(h, caller, "robot@example.com", { password: "", isServiceAccount: true });
  expect(await h.outcome(reset(h, caller, robot.id))).toBe("NO_PASSWORD");
  expect(await h.outcome(reset(h, caller, caller.userId, PASSWORD))).toBe("INVALID_REQUEST");
  expect(await h.outcome(h.auth.service.login(ADMIN, PEER))).toBe("ACCEPTED");
});

test("the last person who administers can neither be disabled nor lose the role", async () => {
  await using h = await startAuth();
  const caller = await admin(h);
  const { userId } = caller;
  const robot = { password: "", isServiceAccount: true, roles: ["admin"] };
  await create(h, caller, "robot@example.com", robot);
  const { id: off } = await create(h, caller, "off@example.com", { roles: ["admin"] });
  await update(h, caller, off, { isActive: false });
  // Neither of them can log in here.
  await h.db
    .sql`insert into users (id, email, roles) values (gen_random_uuid(), 'none@example.com', '{admin}')`;
  await h.db.sql`
    insert into users (id, issuer, subject, roles)
    values (gen_random_uuid(), 'https://login.example.org', 'alice', '{admin}')`;
  expect(await h.outcome(update(h, caller, userId, { isActive: false }))).toBe("LAST_ADMIN");
  expect(await h.outcome(update(h, caller, userId, { roles: ["viewer"] }))).toBe("LAST_ADMIN");
  expect(await h.outcome(update(h, caller, userId, { roles: ["admin", "viewer"] }))).toBe("ACCEPTED");
  await update(h, caller, off, { isActive: true });
  expect(await h.outcome(update(h, caller, userId, { roles: ["viewer"] }))).toBe("ACCEPTED");
});

test("of administrators who disable each other at once, on two servers, one is left", async () => {
  await using h = await startAuth();
  const other = await h.another();
  const first = await admin(h);
  const { caller: second } = await h.userWith("admin", "second@example.com");
  for (let round = 0; round < 5; round++) {
    const outcomes = await Promise.all([
      h.outcome(update(h, first, second.userId, { isActive: false })),
      h.outcome(update(h, second, first.userId, { isActive: false }, other)),
    ]);
    expect(outcomes.filter((outcome) => outcome === "ACCEPTED")).toHaveLength(1);
    const left = await h.db.sql`select 1 from users where is_active and 'admin' = any(roles)`;
    expect(left).toHaveLength(1);
    // As if nothing had been, for another round.
    await h.db.sql`update users set is_active = true, token_version = 1`;
    await h.db.sql`update sessions set ended_at = null, end_reason = null`;
  }
});

test("service accounts get keys from who may make them: no wider than maker and account, and never a password", async () => {
  await using h = await startAuth();
  const caller = await admin(h);
  const robot = await create(h, caller, "robot@example.com", {
    password: "",
    isServiceAccount: true,
    roles: ["developer"],
  });
  const make = (by: Caller, userId: string, permissions: string[], more = {}) =>
    h.auth.service.createApiKey(by, {
      name: "ci",
      permissions,
      expireTime: null,
      requestId: "",
      userId,
      ...more,
    });
  const { key, secret } = await make(caller, robot.id, ["jobs:create"]);
  expect(await h.as(secret)).toMatchObject({ userId: robot.id, email: "robot@example.com" });
  expect(await h.outcome(make(caller, robot.id, ["users:create"]))).toBe("PERMISSION_TOO_WIDE");
  const narrow = await make(caller, "", ["api_keys:create:any", "jobs:read"]);
  const maker = await h.as(narrow.secret);
  expect(await h.outcome(make(maker, robot.id, ["jobs:create"]))).toBe("PERMISSION_TOO_WIDE");
  expect(await h.outcome(make(maker, robot.id, ["jobs:read"]))).toBe("ACCEPTED");
  const { caller: developer, id: person } = await h.userWith("developer");
  expect(await h.outcome(make(developer, robot.id, ["jobs:read"]))).toBe("PERMISSION_DENIED");
  expect(await h.outcome(make(caller, person, ["jobs:read"]))).toBe("NOT_A_SERVICE_ACCOUNT");
  expect(await h.outcome(make(caller, key.id, ["jobs:read"]))).not.toBe("ACCEPTED");
  const once = await Promise.all(
    Array.from({ length: 5 }, () => make(caller, robot.id, ["jobs:read"], { requestId: "k" })),
  );
  expect(new Set(once.map((made) => made.key.id)).size).toBe(1);
  expect(await h.outcome(make(caller, "", ["jobs:read"], { requestId: "k" }))).toBe("REQUEST_ID_REUSED");
  const page = { includeInactive: false, userId: robot.id, beforeId: "", limit: 10 };
  expect(await h.auth.service.listApiKeys(caller, page)).toHaveLength(3);
  expect(await h.auth.service.listApiKeys(developer, page)).toHaveLength(0);
  expect(await h.outcome(h.auth.service.revokeApiKey(developer, { id: key.id }))).toBe("API_KEY_NOT_FOUND");
  await h.auth.service.revokeApiKey(caller, { id: key.id });
  expect(await h.outcome(h.as(secret))).toBe("CREDENTIAL_INVALID");
});

test("every change of a user leaves one entry that says what changed, without a password", async () => {
  await using h = await startAuth();
  const caller = await admin(h);
  const { id } = await create(h, caller, "u@example.com");
  await update(h, caller, id, { roles: ["developer"], isActive: false });
  const made = await reset(h, caller, id);
  await h.outcome(create(h, caller, "u@example.com"));
  const rows = await h.db.sql`
    select action, user_id, request_details as details from audit_logs
    where resource_type = 'user' and resource_id = ${id} order by id`;
  expect(rows.map(({ action }) => action)).toEqual(["users.create", "users.update", "users.reset_password"]);
  expect(new Set(rows.map(({ userId }) => userId))).toEqual(new Set([caller.userId]));
  expect(rows[1]?.details).toMatchObject({
    roles: { before: ["viewer"], after: ["developer"] },
    is_active: { before: true, after: false },
  });
  const text = JSON.stringify(await h.db.sql`select * from audit_logs`);
  for (const secret of [PASSWORD, made ?? ""]) expect(text).not.toContain(secret);
});

test("without authentication the local administrator keeps users too", async () => {
  await using h = await startAuth();
  const open = await h.another({ auth: "none" });
  const local = await open.authenticate(new Headers(), PEER);
  const { id } = await create(h, local, "u@example.com", { requestId: "r" });
  expect((await create(h, local, "u@example.com", { requestId: "r" })).id).toBe(id);
  expect((await update(h, local, id, { roles: ["operator"] }, open)).roles).toEqual(["operator"]);
});
