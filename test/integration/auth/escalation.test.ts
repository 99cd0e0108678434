import { expect, test } from "vitest";
import type { Caller } from "../../../src/lib/caller.ts";
import { ADMIN, type AuthHarness, PEER, startAuth } from "./harness.ts";

// Whoever may keep users, roles and keys, but is no administrator, tries to become one.

const HELD = [
  "account:read",
  "account:update",
  "api_keys:create:any",
  "jobs:read",
  "roles:create",
  "roles:delete",
  "roles:update",
  "users:create",
  "users:read",
  "users:update",
];

async function adminOf(h: AuthHarness): Promise<Caller> {
  return await h.as((await h.auth.service.login(ADMIN, PEER)).accessToken);
}

const role = (name: string, permissions: string[]) => ({ name, description: "", permissions });

/** A person with everything in `HELD`, beside an administrator and what it holds. */
async function startManager() {
  const h = await startAuth();
  const admin = await adminOf(h);
  const { service } = h.auth;
  await service.createRole(admin, { ...role("manager", HELD), requestId: "" });
  await service.createRole(admin, { ...role("wide", ["jobs:read:any"]), requestId: "" });
  const { caller } = await h.userWith("manager", "manager@example.com");
  const user = {
    displayName: "",
    password: "a password for tests",
    isServiceAccount: false,
    requestId: "",
    roles: [] as string[],
  };
  const person = (email: string, roles: string[]) => service.createUser(admin, { ...user, email, roles });
  const robot = await service.createUser(admin, {
    ...user,
    email: "robot@example.com",
    password: "",
    isServiceAccount: true,
    roles: ["admin"],
  });
  const off = await person("off@example.com", ["admin"]);
  const none = { expectedVersion: 0, displayName: null, roles: [], isActive: null };
  await service.updateUser(admin, { ...none, id: off.id, isActive: false });
  return {
    ...h,
    service,
    admin,
    caller,
    user,
    robot,
    off,
    viewer: await person("viewer@example.com", ["wide"]),
    equal: await person("equal@example.com", ["manager"]),
    update: (by: Caller, id: string, changes: object) => service.updateUser(by, { ...none, id, ...changes }),
  };
}

test("no way leads from keeping users, roles and keys to more than one holds", async () => {
  await using h = await startManager();
  const { service, caller, admin, user, update } = h;
  const everything = async () => [
    await h.db.sql`select id, roles, is_active, password_hash, version from users order by id`,
    await h.db.sql`select * from roles order by name`,
    await h.db.sql`select id from api_keys order by id`,
  ];
  const before = await everything();
  const key = { name: "n", expireTime: null, requestId: "" };
  const attempts: Record<string, () => Promise<unknown>> = {
    "create an administrator": () =>
      service.createUser(caller, {
        ...user,
        email: "x@example.com",
        roles: ["admin"],
      }),
    "create a user with a wider role": () =>
      service.createUser(caller, {
        ...user,
        email: "x@example.com",
        roles: ["manager", "wide"],
      }),
    "make oneself administrator": () => update(caller, caller.userId, { roles: ["manager", "admin"] }),
    "take a wider role": () => update(caller, caller.userId, { roles: ["wide"] }),
    "make a friend administrator": () => update(caller, h.equal.id, { roles: ["admin"] }),
    "disable an administrator": () => update(caller, admin.userId, { isActive: false }),
    "rename an administrator": () => update(caller, admin.userId, { displayName: "me" }),
    "enable a disabled administrator": () => update(caller, h.off.id, { isActive: true }),
    "take roles from who holds more": () => update(caller, h.viewer.id, { roles: ["manager"] }),
    "reset an administrator's password": () =>
      service.resetPassword(caller, {
        userId: admin.userId,
        password: "known to me alone",
      }),
    "reset the password of who holds more": () =>
      service.resetPassword(caller, {
        userId: h.viewer.id,
        password: "",
      }),
    "make a wider role": () => service.createRole(caller, { ...role("mine", ["audit:read"]), requestId: "" }),
    "make a role for everybody's objects": () =>
      service.createRole(caller, {
        ...role("mine", ["jobs:read:any"]),
        requestId: "",
      }),
    "widen one's own role": () =>
      service.updateRole(caller, {
        ...role("manager", [...HELD, "audit:read"]),
        expectedVersion: 0,
      }),
    "narrow a wider role": () =>
      service.updateRole(caller, { ...role("wide", ["jobs:read"]), expectedVersion: 0 }),
    "delete a wider role": () => service.deleteRole(caller, "wide", 0),
    "make a wider key for a service account": () =>
      service.createApiKey(caller, {
        ...key,
        permissions: ["users:read", "audit:read"],
        userId: h.robot.id,
      }),
    "make a wider key for oneself": () =>
      service.createApiKey(caller, {
        ...key,
        permissions: ["jobs:read:any"],
        userId: "",
      }),
  };
  for (const [attempt, work] of Object.entries(attempts))
    expect(await h.outcome(work()), attempt).toBe("PERMISSION_TOO_WIDE");
  expect(await everything()).toEqual(before);
});

test("what one holds can be given: equals can be made, changed and reset", async () => {
  await using h = await startManager();
  const { service, caller, user, update } = h;
  const made = await service.createUser(caller, { ...user, email: "x@example.com", roles: ["manager"] });
  await service.createRole(caller, { ...role("reader", ["jobs:read"]), requestId: "" });
  expect((await update(caller, made.id, { roles: ["reader"] })).roles).toEqual(["reader"]);
  expect(await h.outcome(service.resetPassword(caller, { userId: h.equal.id, password: "" }))).toBe(
    "ACCEPTED",
  );
});

test("a key that holds less than its owner cannot change its owner, nor give what only the owner holds", async () => {
  await using h = await startManager();
  const { service, admin, update } = h;
  const permissions = ["users:update", "users:create", "roles:create", "roles:update"];
  const { secret } = await service.createApiKey(admin, {
    name: "n",
    permissions,
    expireTime: null,
    requestId: "",
    userId: "",
  });
  const key = await h.as(secret);
  expect(await h.outcome(update(key, admin.userId, { displayName: "x" }))).toBe("PERMISSION_TOO_WIDE");
  expect(await h.outcome(update(key, h.equal.id, { roles: ["admin"] }))).toBe("PERMISSION_TOO_WIDE");
  expect(await h.outcome(service.resetPassword(key, { userId: admin.userId, password: "" }))).toBe(
    "INVALID_REQUEST",
  );
  expect(await h.outcome(service.createRole(key, { ...role("r", ["jobs:read"]), requestId: "" }))).toBe(
    "PERMISSION_TOO_WIDE",
  );
});

test("who has just lost rights cannot use the seconds until every server knows to take them back", async () => {
  await using h = await startManager();
  const { service, caller, admin, update } = h;
  const { caller: second } = await h.userWith("admin", "second@example.com");
  await update(admin, second.userId, { roles: ["viewer"] });
  // The callers are as another server would still have them.
  expect(await h.outcome(update(second, second.userId, { roles: ["admin"] }))).toBe("PERMISSION_DENIED");
  expect(
    await h.outcome(service.createRole(second, { ...role("back", ["users:update"]), requestId: "" })),
  ).toBe("PERMISSION_DENIED");
  await update(admin, caller.userId, { isActive: false });
  const key = { name: "n", permissions: ["jobs:read"], expireTime: null, requestId: "" };
  expect(await h.outcome(service.createApiKey(caller, { ...key, userId: h.robot.id }))).toBe(
    "CREDENTIAL_INVALID",
  );
  expect(await h.outcome(update(caller, h.equal.id, { displayName: "x" }))).toBe("CREDENTIAL_INVALID");
});
