import { expect, test } from "vitest";
import type { Caller } from "../../../src/lib/caller.ts";
import { ADMIN, type AuthHarness, PEER, startAuth } from "./harness.ts";

async function admin(h: AuthHarness): Promise<Caller> {
  return await h.as((await h.auth.service.login(ADMIN, PEER)).accessToken);
}

const definition = (name: string, permissions: string[]) => ({ name, description: "", permissions });
const create = (h: AuthHarness, caller: Caller, name: string, permissions: string[], requestId = "") =>
  h.auth.service.createRole(caller, { ...definition(name, permissions), requestId });
const update = (h: AuthHarness, caller: Caller, name: string, permissions: string[], expectedVersion = 0) =>
  h.auth.service.updateRole(caller, { ...definition(name, permissions), expectedVersion });
const unset = { expectedVersion: 0, displayName: null, roles: [], isActive: null };

test("a role is made once under its name and request id, sorted and without repetitions", async () => {
  await using h = await startAuth();
  const caller = await admin(h);
  const make = () => create(h, caller, "watcher", ["results:read", "jobs:read:any", "results:read"], "r1");
  const made = await Promise.all(Array.from({ length: 20 }, make));
  for (const role of made) expect(role).toEqual(made[0]);
  expect(made[0]).toMatchObject({
    permissions: ["jobs:read:any", "results:read"],
    isBuiltin: false,
    version: 1,
  });
  expect(await h.db.sql`select 1 from audit_logs where action = 'roles.create'`).toHaveLength(1);
  expect(await h.outcome(create(h, caller, "watcher", ["jobs:read"], "r1"))).toBe("REQUEST_ID_REUSED");
  expect(await h.outcome(create(h, caller, "watcher", ["jobs:read"]))).toBe("ROLE_EXISTS");
  expect(await h.outcome(create(h, caller, "admin", ["jobs:read"]))).toBe("ROLE_EXISTS");
});

test("there are a thousand custom roles at the most, also when the last ones are made at once; one deleted makes room", async () => {
  await using h = await startAuth();
  const caller = await admin(h);
  await h.db
    .sql`insert into roles (name, permissions) select 'r' || n, '{jobs:read}' from generate_series(1, 997) n`;
  const made = await Promise.all(
    Array.from({ length: 8 }, (_, i) => h.outcome(create(h, caller, `last${i}`, ["jobs:read"]))),
  );
  expect(made.filter((outcome) => outcome === "ACCEPTED")).toHaveLength(3);
  const refusal = await create(h, caller, "more", ["jobs:read"]).catch((error) => error);
  expect(refusal).toMatchObject({ reason: "QUOTA_EXCEEDED", metadata: { quota: "roles", limit: "1000" } });
  expect(await h.outcome(create(h, caller, "r1", ["jobs:read"]))).toBe("ROLE_EXISTS");
  await h.auth.service.deleteRole(caller, "r1", 0);
  expect(await h.outcome(create(h, caller, "more", ["jobs:read"]))).toBe("ACCEPTED");
});

test("a role that was deleted is made again by a repetition of the request that made it", async () => {
  await using h = await startAuth();
  const caller = await admin(h);
  await create(h, caller, "brief", ["jobs:read"], "r1");
  await h.auth.service.deleteRole(caller, "brief", 0);
  expect(await create(h, caller, "brief", ["jobs:read"], "r1")).toMatchObject({ version: 1 });
  expect(await h.db.sql`select 1 from audit_logs where action = 'roles.create'`).toHaveLength(2);
});

test("permissions that do not exist are named, each with the one that may be meant", async () => {
  await using h = await startAuth();
  const caller = await admin(h);
  const wrong = ["jobs:raed", "jobs:read", "user:create", "nothing:alike"];
  for (const work of [create, update]) {
    const error = await work(h, caller, "r", wrong).catch((thrown) => thrown);
    expect(error).toMatchObject({ reason: "INVALID_REQUEST" });
    expect(error.extras.fields).toEqual([
      { field: "permissions[0]", description: "there is no permission jobs:raed; is jobs:read meant?" },
      { field: "permissions[2]", description: "there is no permission user:create; is users:create meant?" },
      { field: "permissions[3]", description: "there is no permission nothing:alike" },
    ]);
  }
});

test("a changed role is in force on every server within five seconds", async () => {
  await using h = await startAuth();
  const other = await h.another();
  const caller = await admin(h);
  await create(h, caller, "watcher", ["jobs:read"]);
  const { email, password } = await h.userWith("watcher");
  const { accessToken } = await h.auth.service.login({ email, password }, PEER);
  const held = async () => [...(await h.as(accessToken, other)).permissions].sort();
  expect(await held()).toEqual(["jobs:read"]);
  const stream = await h.as(accessToken);
  const changed = await update(h, caller, "watcher", ["system:read"], 1);
  expect(changed).toMatchObject({ permissions: ["system:read"], version: 2 });
  expect([...(await h.as(accessToken)).permissions]).toEqual(["system:read"]);
  expect(await h.outcome(h.auth.revalidate(stream))).toBe("CREDENTIAL_INVALID");
  await expect.poll(held, { timeout: 5_000 }).toEqual(["system:read"]);
});

test("a role takes the version that was seen, and a change that changes nothing makes none", async () => {
  await using h = await startAuth();
  const caller = await admin(h);
  await create(h, caller, "watcher", ["jobs:read"]);
  expect((await update(h, caller, "watcher", ["jobs:read"])).version).toBe(1);
  await update(h, caller, "watcher", ["jobs:read", "results:read"], 1);
  expect(await h.outcome(update(h, caller, "watcher", ["jobs:read"], 1))).toBe("VERSION_CONFLICT");
  expect(await h.outcome(h.auth.service.deleteRole(caller, "watcher", 1))).toBe("VERSION_CONFLICT");
  await h.auth.service.deleteRole(caller, "watcher", 2);
  const rows = await h.db.sql`
    select action, request_details as details from audit_logs where resource_type = 'role' order by id`;
  expect(rows.map(({ action }) => action)).toEqual(["roles.create", "roles.update", "roles.delete"]);
  expect(rows[1]?.details).toMatchObject({ added: ["results:read"], removed: [] });
});

test("a role that somebody has, even a disabled user, or that is built in, is not deleted", async () => {
  await using h = await startAuth();
  const caller = await admin(h);
  const remove = (name: string) => h.outcome(h.auth.service.deleteRole(caller, name, 0));
  await create(h, caller, "watcher", ["jobs:read"]);
  const { id } = await h.userWith("watcher");
  await h.auth.service.updateUser(caller, { ...unset, id, isActive: false });
  expect(await remove("watcher")).toBe("ROLE_IN_USE");
  await h.auth.service.updateUser(caller, { ...unset, id, roles: ["viewer"] });
  expect(await remove("watcher")).toBe("ACCEPTED");
  expect(await remove("watcher")).toBe("ROLE_NOT_FOUND");
  expect(await remove("viewer")).toBe("ROLE_IN_USE");
  expect(await h.outcome(update(h, caller, "viewer", ["jobs:read"]))).toBe("ROLE_IN_USE");
});

test("a role that tokens of an external issuer give is not deleted, and the issuer is named", async () => {
  const issuer = "https://login.example.org";
  const described = { issuer, audience: "sluice", jwksUri: null, algorithms: ["ES256"], claim: ["groups"] };
  await using h = await startAuth({
    oidcIssuers: [{ ...described, roles: new Map([["choir", ["viewer", "watcher"]]]) }],
  });
  const caller = await admin(h);
  for (const name of ["watcher", "other"]) await create(h, caller, name, ["jobs:read"]);
  const refusal = await h.auth.service.deleteRole(caller, "watcher", 0).catch((error) => error);
  expect(refusal).toMatchObject({ reason: "ROLE_IN_USE", metadata: { role: "watcher", issuer } });
  expect(await h.outcome(h.auth.service.deleteRole(caller, "other", 0))).toBe("ACCEPTED");
});

test("a role that is deleted while it is given to users is either gone or had, never both", async () => {
  await using h = await startAuth();
  const other = await h.another();
  const caller = await admin(h);
  const { id } = await h.userWith("viewer");
  for (let round = 0; round < 10; round++) {
    await create(h, caller, "brief", ["jobs:read"]);
    const [given, made, deleted] = await Promise.all([
      h.outcome(other.service.updateUser(caller, { ...unset, id, roles: ["brief"] })),
      h.outcome(
        h.auth.admin.createUser({ email: `u${round}@example.com`, roles: ["brief"], isServiceAccount: true }),
      ),
      h.outcome(h.auth.service.deleteRole(caller, "brief", 0)),
    ]);
    expect(deleted === "ACCEPTED").toBe(given === "ROLE_NOT_FOUND" && made === "ROLE_NOT_FOUND");
    expect(deleted === "ROLE_IN_USE").toBe(given === "ACCEPTED" || made === "ACCEPTED");
    await h.db.sql`update users set roles = '{viewer}' where 'brief' = any(roles)`;
    await h.outcome(h.auth.service.deleteRole(caller, "brief", 0));
  }
});
