import * as argon2 from "@node-rs/argon2";
import { expect, onTestFinished, test, vi } from "vitest";
import { ADMIN, PEER, startAuth } from "./harness.ts";

// The real library; its calls are counted.
vi.mock("@node-rs/argon2", { spy: true });

test("a login yields an access token that stands for the user, and a refresh token", async () => {
  await using h = await startAuth();
  const tokens = await h.auth.service.login({ email: " Admin@Example.COM ", password: ADMIN.password }, PEER);
  const caller = await h.as(tokens.accessToken);
  expect(caller).toMatchObject({ email: ADMIN.email, credential: "jwt", userId: tokens.user.id, ...PEER });
  expect(caller.permissions.has("jobs:read:any")).toBe(true);
  expect(caller.expireTime).toEqual(tokens.expireTime);
  expect((await h.auth.service.getCaller(caller)).lastLoginAt).not.toBeNull();
});

test("wrong password, unknown, disabled and password-less users are refused with the same error", async () => {
  await using h = await startAuth();
  const { id, email, password } = await h.userWith("developer");
  await h.auth.admin.createUser({ email: "robot@example.com", roles: ["developer"], isServiceAccount: true });
  await h.db.sql`update users set is_active = false where id = ${id}`;
  const attempts = [
    { email: ADMIN.email, password: "wrong" },
    { email: "nobody@example.com", password: ADMIN.password },
    { email: "robot@example.com", password: "" },
    { email, password },
    { email: "' or 1=1 --", password: "x" },
  ];
  const messages = new Set<string>();
  for (const attempt of attempts) {
    const error = await h.auth.service.login(attempt, PEER).catch((e) => e);
    expect(error.reason).toBe("LOGIN_FAILED");
    messages.add(error.message);
  }
  expect(messages.size).toBe(1);
});

test("an unknown user costs the same work as a known one: one check of a full hash", async () => {
  await using h = await startAuth();
  const checksOf = async (email: string): Promise<string[]> => {
    vi.mocked(argon2.verify).mockClear();
    expect(await h.outcome(h.auth.service.login({ email, password: "wrong" }, PEER))).toBe("LOGIN_FAILED");
    return vi
      .mocked(argon2.verify)
      .mock.calls.map(([stored]) => String(stored).split("$").slice(0, 4).join("$"));
  };
  const known = await checksOf(ADMIN.email);
  expect(known).toHaveLength(1);
  expect(await checksOf("nobody@x.example")).toEqual(known);
});

test("twenty guesses at once get no further than the free ones, and the wait ends by itself", async () => {
  // The wait of a second may be over before a busy machine has hashed them.
  vi.useFakeTimers({ toFake: ["Date"] });
  onTestFinished(() => void vi.useRealTimers());
  await using h = await startAuth();
  const guess = (password: string) => h.outcome(h.auth.service.login({ email: ADMIN.email, password }, PEER));
  const outcomes = await Promise.all(Array.from({ length: 20 }, (_, i) => guess(`guess ${i}`)));
  expect(outcomes.filter((outcome) => outcome === "LOGIN_FAILED").length).toBe(6);
  expect(outcomes.filter((outcome) => outcome === "LOGIN_THROTTLED").length).toBe(14);
  expect(await guess(ADMIN.password)).toBe("LOGIN_THROTTLED");
  h.time.advance(1_500);
  expect(await guess(ADMIN.password)).toBe("ACCEPTED");
  expect(await guess("wrong again")).toBe("LOGIN_FAILED");
});

test("guesses from one network are slowed down over all accounts", async () => {
  await using h = await startAuth();
  const outcomes: string[] = [];
  for (let batch = 0; batch < 8; batch++) {
    const emails = Array.from({ length: 10 }, (_, i) => `user${batch}-${i}@example.com`);
    const peer = (i: number) => ({ ...PEER, ipAddress: `2001:db8::${batch}:${i}` });
    const tries = emails.map((email, i) =>
      h.outcome(h.auth.service.login({ email, password: "x" }, peer(i))),
    );
    outcomes.push(...(await Promise.all(tries)));
  }
  expect(outcomes).toContain("LOGIN_THROTTLED");
  expect(await h.outcome(h.auth.service.login(ADMIN, { ...PEER, ipAddress: "198.51.100.7" }))).toBe(
    "ACCEPTED",
  );
}, 20_000);

test("an address that must wait is refused without asking the database, until its time has come", async () => {
  await using h = await startAuth();
  const guess = () => h.outcome(h.auth.service.login({ email: "nobody@example.com", password: "x" }, PEER));
  await h.db
    .sql`insert into login_throttle values ('address:192.0.2.1', 70, now(), now() + interval '1 minute')`;
  expect(await guess()).toBe("LOGIN_THROTTLED");
  await h.db.sql`delete from login_throttle`;
  expect(await guess()).toBe("LOGIN_THROTTLED");
  h.time.advance(61_000);
  expect(await guess()).toBe("LOGIN_FAILED");
});

test("a hash made with older parameters is replaced at the next login", async () => {
  await using h = await startAuth();
  const { hash } = await import("@node-rs/argon2");
  const old = await hash(ADMIN.password, { memoryCost: 8192, timeCost: 1, parallelism: 1 });
  await h.db.sql`update users set password_hash = ${old}`;
  await h.auth.service.login(ADMIN, PEER);
  const [row] = await h.db.sql`select password_hash from users`;
  expect(row?.passwordHash).toMatch(/m=19456,t=2,p=1/);
  await h.auth.service.login(ADMIN, PEER);
});

test("logins leave an entry each, with no secret in it", async () => {
  await using h = await startAuth();
  const { accessToken, refreshToken, user } = await h.auth.service.login(ADMIN, PEER);
  await h.outcome(h.auth.service.login({ email: ADMIN.email, password: "a wrong guess" }, PEER));
  const rows = await h.db.sql`select * from audit_logs where action = 'auth.login' order by id`;
  expect(rows.map(({ success, userId, resourceId }) => ({ success, userId, resourceId }))).toEqual([
    { success: true, userId: user.id, resourceId: user.id },
    { success: false, userId: null, resourceId: user.id },
  ]);
  const text = JSON.stringify(await h.db.sql`select * from audit_logs`);
  for (const secret of [ADMIN.password, "a wrong guess", accessToken, refreshToken])
    expect(text).not.toContain(secret);
  const stored = JSON.stringify(await h.db.sql`select encode(hash, 'escape') as hash from refresh_tokens`);
  expect(stored).not.toContain(refreshToken);
});
