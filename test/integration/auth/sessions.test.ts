import { expect, test } from "vitest";
import { ADMIN, PEER, startAuth } from "./harness.ts";

const DAY_MS = 86_400_000;

test("a refresh token is good once, for tokens of the same session", async () => {
  await using h = await startAuth();
  const first = await h.auth.service.login(ADMIN, PEER);
  const second = await h.auth.service.refresh(first.refreshToken, PEER);
  const third = await h.auth.service.refresh(second.refreshToken, PEER);
  expect(new Set([first, second, third].map((tokens) => tokens.refreshToken)).size).toBe(3);
  const [a, b] = await Promise.all([h.as(first.accessToken), h.as(third.accessToken)]);
  expect(a.credentialId).toBe(b.credentialId);
});

test("a retry within ten seconds gets the same successor, since the answer may have been lost", async () => {
  await using h = await startAuth();
  const { refreshToken } = await h.auth.service.login(ADMIN, PEER);
  const first = await h.auth.service.refresh(refreshToken, PEER);
  h.time.advance(9_000);
  const again = await h.auth.service.refresh(refreshToken, PEER);
  expect(again.refreshToken).toBe(first.refreshToken);
});

test("twenty refreshes at once with one token, on two servers, share one successor, and the session lives", async () => {
  await using h = await startAuth();
  const other = await h.another();
  const { refreshToken } = await h.auth.service.login(ADMIN, PEER);
  const results = await Promise.all(
    Array.from({ length: 20 }, (_, n) => (n % 2 ? h.auth : other).service.refresh(refreshToken, PEER)),
  );
  expect(new Set(results.map((tokens) => tokens.refreshToken)).size).toBe(1);
  const [count] = await h.db.sql`select count(*)::int as tokens from refresh_tokens`;
  expect(count?.tokens).toBe(2);
  expect(await h.outcome(h.auth.service.refresh(results[0]!.refreshToken, PEER))).toBe("ACCEPTED");
});

test("a token that is used again later ends its whole session, at once and on record", async () => {
  await using h = await startAuth();
  const first = await h.auth.service.login(ADMIN, PEER);
  const bystander = await h.auth.service.login(ADMIN, PEER);
  const second = await h.auth.service.refresh(first.refreshToken, PEER);
  const { credentialId } = await h.as(second.accessToken);
  h.time.advance(11_000);
  expect(await h.outcome(h.auth.service.refresh(first.refreshToken, PEER))).toBe("REFRESH_TOKEN_REUSED");
  expect(await h.outcome(h.auth.service.refresh(second.refreshToken, PEER))).toBe("REFRESH_TOKEN_INVALID");
  await expect.poll(() => h.outcome(h.as(second.accessToken))).toBe("CREDENTIAL_INVALID");
  expect(await h.outcome(h.as(bystander.accessToken))).toBe("ACCEPTED");
  const [row] = await h.db.sql`select * from audit_logs where action = 'auth.refresh_reuse'`;
  expect(row).toMatchObject({ success: false, resourceId: credentialId });
});

test("a retry whose successor was used already is a reuse, even within ten seconds", async () => {
  await using h = await startAuth();
  const first = await h.auth.service.login(ADMIN, PEER);
  const second = await h.auth.service.refresh(first.refreshToken, PEER);
  await h.auth.service.refresh(second.refreshToken, PEER);
  expect(await h.outcome(h.auth.service.refresh(first.refreshToken, PEER))).toBe("REFRESH_TOKEN_REUSED");
});

test("a session ends after seven idle days, and after thirty days in any case", async () => {
  await using h = await startAuth();
  const idle = await h.auth.service.login(ADMIN, PEER);
  let busy = await h.auth.service.login(ADMIN, PEER);
  for (let day = 0; day < 28; day += 4) {
    h.time.advance(4 * DAY_MS);
    busy = await h.auth.service.refresh(busy.refreshToken, PEER);
  }
  expect(await h.outcome(h.auth.service.refresh(idle.refreshToken, PEER))).toBe("REFRESH_TOKEN_INVALID");
  h.time.advance(3 * DAY_MS);
  expect(await h.outcome(h.auth.service.refresh(busy.refreshToken, PEER))).toBe("REFRESH_TOKEN_INVALID");
});

test("what is no refresh token of ours is refused", async () => {
  await using h = await startAuth();
  const { accessToken } = await h.auth.service.login(ADMIN, PEER);
  for (const text of ["", "slr_", `slr_${"A".repeat(43)}`, accessToken, "' or 1=1 --"]) {
    expect(await h.outcome(h.auth.service.refresh(text, PEER))).toBe("REFRESH_TOKEN_INVALID");
  }
});

test("a logout ends this session, or all, on every server within five seconds", async () => {
  await using h = await startAuth();
  const other = await h.another();
  const [a, b, c] = [
    await h.auth.service.login(ADMIN, PEER),
    await h.auth.service.login(ADMIN, PEER),
    await h.auth.service.login(ADMIN, PEER),
  ];
  for (const { accessToken } of [a, b, c]) await h.as(accessToken, other);
  await h.auth.service.logout(await h.as(a.accessToken), false);
  expect(await h.outcome(h.as(a.accessToken))).toBe("CREDENTIAL_INVALID");
  expect(await h.outcome(h.auth.service.refresh(a.refreshToken, PEER))).toBe("REFRESH_TOKEN_INVALID");
  await expect
    .poll(() => h.outcome(h.as(a.accessToken, other)), { timeout: 5_000 })
    .toBe("CREDENTIAL_INVALID");
  expect(await h.outcome(h.as(b.accessToken, other))).toBe("ACCEPTED");
  await h.auth.service.logout(await h.as(b.accessToken), true);
  await expect
    .poll(() => h.outcome(h.as(c.accessToken, other)), { timeout: 5_000 })
    .toBe("CREDENTIAL_INVALID");
});

test("a changed password ends all sessions and the old password", async () => {
  await using h = await startAuth();
  const { caller, email, password } = await h.userWith("developer");
  const { accessToken, refreshToken } = await h.auth.service.login({ email, password }, PEER);
  const change = (current: string, next: string) =>
    h.outcome(h.auth.service.changePassword(caller, { current, next }));
  expect(await change("not the password", "a new password")).toBe("LOGIN_FAILED");
  expect(await change(password, password)).toBe("INVALID_REQUEST");
  expect(await h.outcome(h.as(accessToken))).toBe("ACCEPTED");
  expect(await change(password, "a new password")).toBe("ACCEPTED");
  expect(await h.outcome(h.as(accessToken))).toBe("CREDENTIAL_INVALID");
  expect(await h.outcome(h.auth.service.refresh(refreshToken, PEER))).toBe("REFRESH_TOKEN_INVALID");
  expect(await h.outcome(h.auth.service.login({ email, password }, PEER))).toBe("LOGIN_FAILED");
  expect(await h.outcome(h.auth.service.login({ email, password: "a new password" }, PEER))).toBe("ACCEPTED");
});

test("a disabled user and a lost role are out within five seconds, even if no notice arrives", async () => {
  await using h = await startAuth();
  const { id, email, password } = await h.userWith("operator");
  const { accessToken } = await h.auth.service.login({ email, password }, PEER);
  const caller = await h.as(accessToken);
  await h.auth.revalidate(caller);
  await h.db.sql`update users set roles = '{viewer}' where id = ${id}`;
  h.time.advance(4_500);
  expect((await h.as(accessToken)).permissions.has("jobs:read:any")).toBe(false);
  expect(await h.outcome(h.auth.revalidate(caller))).toBe("CREDENTIAL_INVALID");
  await h.db.sql`update users set is_active = false where id = ${id}`;
  h.time.advance(4_500);
  expect(await h.outcome(h.as(accessToken))).toBe("CREDENTIAL_INVALID");
});
