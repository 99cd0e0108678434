import { expect, test } from "vitest";
import type { Caller } from "../../../src/lib/caller.ts";
import { ADMIN, type AuthHarness, PEER, startAuth } from "./harness.ts";

const DAY_MS = 86_400_000;

const make = (
  h: AuthHarness,
  caller: Caller,
  permissions: string[],
  more: { expireTime?: Date; requestId?: string; userId?: string } = {},
) =>
  h.auth.service.createApiKey(caller, {
    name: "ci",
    permissions,
    expireTime: null,
    requestId: "",
    userId: "",
    ...more,
  });

test("a key stands for its owner with no more than its permissions, by either header", async () => {
  await using h = await startAuth();
  const { caller } = await h.userWith("developer");
  const { key, secret } = await make(h, caller, ["jobs:read", "jobs:create"]);
  const used = await h.as(secret);
  expect(used).toMatchObject({ userId: caller.userId, credential: "api_key", credentialId: key.id });
  expect([...used.permissions].sort()).toEqual(["jobs:create", "jobs:read"]);
  expect(await h.auth.authenticate(new Headers({ "x-api-key": secret }), PEER)).toEqual(used);
  expect(Math.round((key.expiresAt.getTime() - Date.now()) / DAY_MS)).toBe(90);
  const stored = JSON.stringify(await h.db.sql`select *, encode(hash, 'escape') as text from api_keys`);
  expect(stored).not.toContain(secret.slice(17, 60));
});

test("nobody makes a key that is wider than the credential in hand", async () => {
  await using h = await startAuth();
  const { caller } = await h.userWith("developer");
  for (const wide of ["users:read", "jobs:read:any", "audit:read"]) {
    expect(await h.outcome(make(h, caller, ["jobs:read", wide])), wide).toBe("PERMISSION_TOO_WIDE");
  }
  expect(await h.outcome(make(h, caller, ["jobs:everything"]))).toBe("INVALID_REQUEST");
  const narrow = await h.as((await make(h, caller, ["api_keys:create", "jobs:read"])).secret);
  expect(await h.outcome(make(h, narrow, ["jobs:create"]))).toBe("PERMISSION_TOO_WIDE");
  expect(await h.outcome(make(h, narrow, ["jobs:read"]))).toBe("ACCEPTED");
});

test("a key made with a key does not outlive it", async () => {
  await using h = await startAuth();
  const { caller } = await h.userWith("developer");
  const expireTime = new Date(Date.now() + DAY_MS);
  const maker = await h.as((await make(h, caller, ["api_keys:create"], { expireTime })).secret);
  expect((await make(h, maker, ["api_keys:create"])).key.expiresAt).toEqual(maker.expireTime);
  const later = new Date(Date.now() + 2 * DAY_MS);
  expect(await h.outcome(make(h, maker, ["api_keys:create"], { expireTime: later }))).toBe(
    "PERMISSION_TOO_WIDE",
  );
});

test("a key lives between now and one year", async () => {
  await using h = await startAuth();
  const { caller } = await h.userWith("developer");
  for (const days of [-1, 0, 367]) {
    const expireTime = new Date(Date.now() + days * DAY_MS);
    expect(await h.outcome(make(h, caller, ["jobs:read"], { expireTime }))).toBe("INVALID_REQUEST");
  }
  const { secret } = await make(h, caller, ["jobs:read"], { expireTime: new Date(Date.now() + DAY_MS) });
  expect(await h.outcome(h.as(secret))).toBe("ACCEPTED");
  h.time.advance(DAY_MS + 1_000);
  expect(await h.outcome(h.as(secret))).toBe("CREDENTIAL_EXPIRED");
});

test("a key shrinks with its owner's roles and ends with the owner", async () => {
  await using h = await startAuth();
  const { caller, id } = await h.userWith("operator");
  const { secret } = await make(h, caller, ["jobs:read:any", "jobs:create", "system:update"]);
  await h.db.sql`update users set roles = '{viewer}' where id = ${id}`;
  h.time.advance(4_500);
  expect([...(await h.as(secret)).permissions]).toEqual(["jobs:read"]);
  await h.db.sql`update users set is_active = false where id = ${id}`;
  h.time.advance(4_500);
  expect(await h.outcome(h.as(secret))).toBe("CREDENTIAL_INVALID");
});

test("custom roles give what they hold", async () => {
  await using h = await startAuth();
  await h.db
    .sql`insert into roles (name, permissions) values ('watcher', '{jobs:read:any,account:read,nonsense}')`;
  const { caller } = await h.userWith("watcher");
  expect([...caller.permissions].sort()).toEqual(["account:read", "jobs:read", "jobs:read:any"]);
});

test("a revoked key is out here at once and on every server within five seconds", async () => {
  await using h = await startAuth();
  const other = await h.another();
  const { caller } = await h.userWith("developer");
  const { key, secret } = await make(h, caller, ["jobs:read"]);
  expect(await h.outcome(h.as(secret, other))).toBe("ACCEPTED");
  const stream = await h.as(secret);
  const revoked = await h.auth.service.revokeApiKey(caller, { id: key.id });
  expect(await h.outcome(h.as(secret))).toBe("CREDENTIAL_INVALID");
  expect(await h.outcome(h.auth.revalidate(stream))).toBe("CREDENTIAL_INVALID");
  await expect.poll(() => h.outcome(h.as(secret, other)), { timeout: 5_000 }).toBe("CREDENTIAL_INVALID");
  expect((await h.auth.service.revokeApiKey(caller, { id: key.id })).revokedAt).toEqual(revoked.revokedAt);
  const rows = await h.db.sql`select 1 from audit_logs where action = 'api_keys.revoke'`;
  expect(rows).toHaveLength(1);
});

test("a revoked key takes with it what was made with it, in turn and whoever owns it, and nothing else", async () => {
  await using h = await startAuth();
  const other = await h.another();
  const { caller } = await h.userWith("admin", "maker@example.com");
  const robot = { email: "robot@example.com", roles: ["developer"], isServiceAccount: true };
  const { user } = await h.auth.admin.createUser(robot);
  // Its maker sees nobody else's keys, and may make and revoke all the same.
  const wide = ["api_keys:create:any", "api_keys:delete", "jobs:read"];
  const [first, beside] = [await make(h, caller, wide), await make(h, caller, wide)];
  const second = await make(h, await h.as(first.secret), wide);
  const third = await make(h, await h.as(second.secret), ["jobs:read"], { userId: user.id });
  const kept = await make(h, await h.as(beside.secret), ["jobs:read"], { userId: user.id });
  expect([first, second, third].map(({ key }) => key.makerKeyId)).toEqual([
    null,
    first.key.id,
    second.key.id,
  ]);
  const secrets = [first, second, third].map(({ secret }) => secret);
  const outcomes = (by = h.auth) => Promise.all(secrets.map((secret) => h.outcome(h.as(secret, by))));
  expect(await outcomes(other)).toEqual(secrets.map(() => "ACCEPTED"));
  await h.auth.service.revokeApiKey(await h.as(beside.secret), { id: first.key.id });
  expect(await outcomes()).toEqual(secrets.map(() => "CREDENTIAL_INVALID"));
  await expect
    .poll(() => outcomes(other), { timeout: 5_000 })
    .toEqual(secrets.map(() => "CREDENTIAL_INVALID"));
  expect(await h.outcome(h.as(kept.secret))).toBe("ACCEPTED");
  const rows = await h.db.sql`
    select resource_id, request_details as details from audit_logs where action = 'api_keys.revoke'`;
  const madeWithIt = [second.key.id, third.key.id].sort();
  expect(rows).toEqual([{ resourceId: first.key.id, details: { made_with_it: madeWithIt } }]);
});

test("a key that is revoked without those that were made with it leaves them, until it is revoked again with them", async () => {
  await using h = await startAuth();
  const { caller } = await h.userWith("developer");
  const wide = ["api_keys:create", "jobs:read"];
  const first = await make(h, caller, wide);
  const second = await make(h, await h.as(first.secret), wide);
  const third = await make(h, await h.as(second.secret), ["jobs:read"]);
  const outcomes = () => Promise.all([first, second, third].map(({ secret }) => h.outcome(h.as(secret))));
  const revoke = (keepMadeKeys: boolean) =>
    h.auth.service.revokeApiKey(caller, { id: first.key.id, keepMadeKeys });
  const { revokedAt } = await revoke(true);
  expect(await outcomes()).toEqual(["CREDENTIAL_INVALID", "ACCEPTED", "ACCEPTED"]);
  await revoke(true);
  expect(await revoke(false)).toMatchObject({ revokedAt });
  expect(await outcomes()).toEqual(Array(3).fill("CREDENTIAL_INVALID"));
  await revoke(false);
  const rows = await h.db.sql`
    select request_details as details from audit_logs where action = 'api_keys.revoke' order by timestamp`;
  const madeWithIt = [second.key.id, third.key.id].sort();
  expect(rows).toEqual([{ details: {} }, { details: { made_with_it: madeWithIt } }]);
});

test("a key that is revoked while it makes keys leaves none that works", async () => {
  await using h = await startAuth();
  const other = await h.another();
  const { caller } = await h.userWith("developer");
  for (let round = 0; round < 5; round++) {
    const { key, secret } = await make(h, caller, ["api_keys:create", "jobs:read"]);
    const makers = [await h.as(secret), await h.as(secret, other)];
    const making = Array.from({ length: 10 }, (_, i) =>
      make({ ...h, auth: i % 2 ? other : h.auth }, makers[i % 2]!, ["jobs:read"]).catch(() => null),
    );
    await h.auth.service.revokeApiKey(caller, { id: key.id });
    await Promise.all(making);
    const left = await h.db
      .sql`select id from api_keys where maker_key_id = ${key.id} and revoked_at is null`;
    expect(left).toEqual([]);
  }
});

test("somebody else's key is neither seen nor revoked, and an administrator's reach is everybody's", async () => {
  await using h = await startAuth();
  const { caller: owner } = await h.userWith("developer", "owner@example.com");
  const { caller: stranger } = await h.userWith("developer", "stranger@example.com");
  const { key, secret } = await make(h, owner, ["jobs:read"]);
  const page = { includeInactive: true, userId: null, beforeId: "", limit: 10 };
  expect(await h.auth.service.listApiKeys(stranger, page)).toEqual([]);
  const foreign = await h.auth.service.revokeApiKey(stranger, { id: key.id }).catch((error) => error);
  const unknown = await h.auth.service.revokeApiKey(stranger, { id: "000000000000" }).catch((error) => error);
  expect([foreign.reason, unknown.reason]).toEqual(["API_KEY_NOT_FOUND", "API_KEY_NOT_FOUND"]);
  expect(foreign.message.replace(key.id, "")).toBe(unknown.message.replace("000000000000", ""));
  expect(await h.outcome(h.as(secret))).toBe("ACCEPTED");
  const admin = await h.as((await h.auth.service.login(ADMIN, PEER)).accessToken);
  expect(await h.outcome(h.auth.service.revokeApiKey(admin, { id: key.id }))).toBe("ACCEPTED");
});

test("lists go newest first, page by page, and leave out what is over unless asked", async () => {
  await using h = await startAuth();
  const { caller } = await h.userWith("developer");
  const ids: string[] = [];
  for (let i = 0; i < 5; i++) ids.unshift((await make(h, caller, ["jobs:read"])).key.id);
  await h.auth.service.revokeApiKey(caller, { id: ids[1]! });
  const list = async (includeInactive: boolean) => {
    const seen: string[] = [];
    for (let beforeId = ""; ; beforeId = seen.at(-1)!) {
      const page = await h.auth.service.listApiKeys(caller, {
        includeInactive,
        userId: null,
        beforeId,
        limit: 2,
      });
      seen.push(...page.map(({ id }) => id));
      if (page.length < 2) return seen;
    }
  };
  expect((await list(true)).sort()).toEqual([...ids].sort());
  expect((await list(false)).sort()).toEqual(ids.filter((_, i) => i !== 1).sort());
});

test("a repeated request makes one key and shows its secret once; another body is refused", async () => {
  await using h = await startAuth();
  const { caller } = await h.userWith("developer");
  const request = () => make(h, caller, ["jobs:read"], { requestId: "r1" });
  const results = await Promise.all([request(), request(), request()]);
  expect(new Set(results.map(({ key }) => key.id)).size).toBe(1);
  expect(results.filter(({ secret }) => secret !== "")).toHaveLength(1);
  expect(await h.outcome(make(h, caller, ["jobs:create"], { requestId: "r1" }))).toBe("REQUEST_ID_REUSED");
});

test("the use of a key is noted, and not more than once a minute", async () => {
  await using h = await startAuth();
  const { caller } = await h.userWith("developer");
  const { key, secret } = await make(h, caller, ["jobs:read"]);
  for (let i = 0; i < 5; i++) await h.as(secret);
  await h.auth.stop();
  const [row] = await h.db.sql`select last_used_at, xmin::text as writer from api_keys where id = ${key.id}`;
  expect(row?.lastUsedAt).toBeInstanceOf(Date);
  h.time.advance(30_000);
  await h.as(secret);
  await h.auth.stop();
  const [again] = await h.db.sql`select xmin::text as writer from api_keys where id = ${key.id}`;
  expect(again?.writer).toBe(row?.writer);
});

test("no credential, a malformed one, and two different ones are told apart", async () => {
  await using h = await startAuth();
  const { caller } = await h.userWith("developer");
  const [a, b] = [
    (await make(h, caller, ["jobs:read"])).secret,
    (await make(h, caller, ["jobs:read"])).secret,
  ];
  const outcome = (headers: [string, string][]) => h.outcome(h.auth.authenticate(new Headers(headers), PEER));
  expect(await outcome([])).toBe("UNAUTHENTICATED");
  expect(await outcome([["authorization", `bearer ${a}`]])).toBe("ACCEPTED");
  expect(
    await outcome([
      ["authorization", `Bearer ${a}`],
      ["x-api-key", a],
    ]),
  ).toBe("ACCEPTED");
  expect(
    await outcome([
      ["authorization", `Bearer ${a}`],
      ["x-api-key", b],
    ]),
  ).toBe("CREDENTIALS_CONFLICT");
  expect(
    await outcome([
      ["authorization", `Bearer ${a}`],
      ["authorization", `Bearer ${b}`],
    ]),
  ).toBe("CREDENTIALS_CONFLICT");
  expect(
    await outcome([
      ["x-api-key", a],
      ["x-api-key", b],
    ]),
  ).toBe("CREDENTIALS_CONFLICT");
  for (const value of [
    "",
    "Bearer",
    "Bearer ",
    `Basic ${a}`,
    a,
    `Bearer ${a} x`,
    `Bearer ${a.slice(0, -1)}x`,
    "Bearer slk_",
  ]) {
    expect(await outcome([["authorization", value]]), value).toBe("CREDENTIAL_INVALID");
  }
  const unknown = `slk_${"0".repeat(12)}${a.slice(16)}`;
  expect(await outcome([["authorization", `Bearer ${unknown}`]])).toBe("CREDENTIAL_INVALID");
});

test("with authentication switched off every caller is the local administrator, who has no keys to make", async () => {
  await using h = await startAuth();
  const open = await h.another({ auth: "none" });
  const caller = await open.authenticate(new Headers(), PEER);
  expect(caller).toMatchObject({ credential: "none", email: "local" });
  expect(caller.permissions.has("jobs:delete:any")).toBe(true);
  expect((await open.service.getCaller(caller)).roles).toEqual(["admin"]);
  expect(await h.outcome(make(h, caller, ["jobs:read"]))).toBe("USER_NOT_FOUND");
});
