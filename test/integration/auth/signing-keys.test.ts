import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { createAuditor } from "../../../src/audit/auditor.ts";
import { createKeyRotation, type KeyRotation } from "../../../src/auth/key-rotation.ts";
import { createKeyRotator } from "../../../src/auth/key-rotator.ts";
import { createSigningKeys } from "../../../src/auth/signing-keys.ts";
import type { Database } from "../../../src/db/sql.ts";
import { systemClock } from "../../../src/lib/clock.ts";
import { ADMIN, type AuthHarness, openTestDatabase, PEER, startAuth } from "./harness.ts";

const DAY_MS = 86_400_000;
/** What a change is in force in, everywhere. */
const IN_FORCE = { timeout: 5_000 };

const rotationOf = (db: Database, masterKey: Uint8Array): KeyRotation =>
  createKeyRotation({ db, audit: createAuditor(), masterKey });

/** As if all keys had been made, and the active one had signed, that long ago. */
async function age(db: Database, ms: number): Promise<void> {
  await db.sql`update signing_keys set created_at = created_at - make_interval(secs => ${ms / 1000}),
    activated_at = activated_at - make_interval(secs => ${ms / 1000})`;
}

const keyIdOf = (token: string): string =>
  JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString()).kid;

async function published(auth: AuthHarness["auth"]): Promise<string[]> {
  let body = "";
  const response = { writeHead: () => {}, end: (text = "") => (body = text) };
  await auth.jwks({ url: "/.well-known/jwks.json", method: "GET" }, response);
  return (JSON.parse(body).keys as { kid: string }[]).map(({ kid }) => kid);
}

const rotationRows = (db: Database) => db.sql`
  select resource_id, request_details from audit_logs where action = 'signing_keys.rotate' order by timestamp, id`;

test("twenty first starts share one active and one next signing key", async () => {
  await using db = await openTestDatabase();
  const masterKey = randomBytes(32);
  const all = Array.from({ length: 20 }, () => createSigningKeys({ db, masterKey, clock: systemClock }));
  await Promise.all(all.map(() => rotationOf(db, masterKey).ensure()));
  const rows = await db.sql`select state from signing_keys order by state`;
  expect(rows.map(({ state }) => state)).toEqual(["active", "next"]);
  expect(new Set(await Promise.all(all.map(async (keys) => (await keys.active()).kid))).size).toBe(1);
});

test("private keys are encrypted, the published set has none, and another master key is told plainly and rotates nothing", async () => {
  await using h = await startAuth();
  const [row] = await h.db.sql`select encode(private_key, 'escape') as text from signing_keys`;
  expect(row?.text).not.toContain("PRIVATE KEY");
  const answer = { status: 0, body: "" };
  const response = {
    writeHead: (status: number) => (answer.status = status),
    end: (body = "") => (answer.body = body),
  };
  expect(await h.auth.jwks({ url: "/other", method: "GET" }, response)).toBe(false);
  expect(await h.auth.jwks({ url: "/.well-known/jwks.json?x=1", method: "GET" }, response)).toBe(true);
  const { keys } = JSON.parse(answer.body);
  expect(keys).toHaveLength(2);
  for (const key of keys)
    expect(Object.keys(key).sort()).toEqual(["alg", "crv", "kid", "kty", "use", "x", "y"]);
  const other = randomBytes(32);
  const wrong = createSigningKeys({ db: h.db, masterKey: other, clock: systemClock });
  await expect(wrong.start()).rejects.toMatchObject({ reason: "MASTER_KEY_MISMATCH" });
  await age(h.db, DAY_MS);
  for (const work of [
    () => rotationOf(h.db, other).rotate("test"),
    () => rotationOf(h.db, other).condemn("test"),
  ]) {
    await expect(work()).rejects.toMatchObject({ reason: "MASTER_KEY_MISMATCH" });
  }
  expect(await rotationRows(h.db)).toEqual([]);
});

test("a rotation is in force on every process within five seconds, and what the old key has signed stays good", async () => {
  await using h = await startAuth();
  const other = await h.another();
  const before = await h.auth.service.login(ADMIN, PEER);
  const old = keyIdOf(before.accessToken);
  const next = (await published(other)).find((kid) => kid !== old);
  await age(h.db, DAY_MS);
  const rotation = rotationOf(h.db, h.masterKey);
  expect(await rotation.rotate("test")).toEqual({ active: next, retired: old });
  for (const auth of [h.auth, other]) {
    const sign = async () => keyIdOf((await auth.service.login(ADMIN, PEER)).accessToken);
    await expect.poll(sign, IN_FORCE).toBe(next);
    expect(await h.outcome(h.as(before.accessToken, auth))).toBe("ACCEPTED");
    expect(await h.outcome(h.as((await auth.service.login(ADMIN, PEER)).accessToken, h.auth))).toBe(
      "ACCEPTED",
    );
    // The old key, the one that signs and the one that comes after it.
    expect(await published(auth)).toHaveLength(3);
  }
  const states = (await rotation.list()).map(({ state, compromised }) => `${state} ${compromised}`);
  expect(states.sort()).toEqual(["active false", "next false", "retired false"]);
  expect(await rotationRows(h.db)).toMatchObject([
    { resourceId: next, requestDetails: { retired: old, compromised: false } },
  ]);
});

test("a key that was published less than five minutes ago does not sign yet, unless all before are condemned", async () => {
  await using h = await startAuth();
  const rotation = rotationOf(h.db, h.masterKey);
  await age(h.db, 4 * 60_000);
  const error = await rotation.rotate("test").catch((refusal) => refusal);
  expect(error).toMatchObject({ reason: "SIGNING_KEY_TOO_NEW", message: expect.stringMatching(/in \d\d s/) });
  expect(await rotationRows(h.db)).toEqual([]);
  await age(h.db, 2 * 60_000);
  expect(await h.outcome(rotation.rotate("test"))).toBe("ACCEPTED");
  expect(await h.outcome(rotation.rotate("test"))).toBe("SIGNING_KEY_TOO_NEW");
  expect(await h.outcome(rotation.condemn("test"))).toBe("ACCEPTED");
});

test("what a compromised key has signed is refused on every process within five seconds, on open streams too, and its sessions live on", async () => {
  await using h = await startAuth();
  const other = await h.another();
  const before = await h.auth.service.login(ADMIN, PEER);
  for (const auth of [h.auth, other])
    expect(await h.outcome(h.as(before.accessToken, auth))).toBe("ACCEPTED");
  const watcher = await h.as(before.accessToken, other);
  expect(await h.outcome(other.revalidate(watcher))).toBe("ACCEPTED");
  const known = await published(other);
  const { active } = await rotationOf(h.db, h.masterKey).condemn("test");
  expect(known).not.toContain(active);
  for (const auth of [h.auth, other]) {
    await expect.poll(() => h.outcome(h.as(before.accessToken, auth)), IN_FORCE).toBe("CREDENTIAL_INVALID");
    expect((await published(auth)).filter((kid) => known.includes(kid))).toEqual([]);
  }
  expect(await h.outcome(other.revalidate(watcher))).toBe("CREDENTIAL_INVALID");
  const after = await other.service.refresh(before.refreshToken, PEER);
  expect(keyIdOf(after.accessToken)).toBe(active);
  expect(await h.outcome(h.as(after.accessToken))).toBe("ACCEPTED");
  expect(await rotationRows(h.db)).toMatchObject([{ requestDetails: { compromised: true } }]);
});

test("a rotation whose notice is lost is in force within five seconds all the same", async () => {
  await using h = await startAuth();
  const before = await h.auth.service.login(ADMIN, PEER);
  expect(await h.outcome(h.as(before.accessToken))).toBe("ACCEPTED");
  // As a condemnation, without its notice.
  const kid = keyIdOf(before.accessToken);
  await h.db.sql`update signing_keys set compromised = true where kid = ${kid}`;
  await expect.poll(() => published(h.auth), IN_FORCE).not.toContain(kid);
  expect(await h.outcome(h.as(before.accessToken))).toBe("CREDENTIAL_INVALID");
});

test("of ten rotations at once one is made, since the key after it is too new", async () => {
  await using h = await startAuth();
  await age(h.db, DAY_MS);
  const outcomes = await Promise.all(
    Array.from({ length: 10 }, () => h.outcome(rotationOf(h.db, h.masterKey).rotate("test"))),
  );
  expect(outcomes.sort()).toEqual(["ACCEPTED", ...Array.from({ length: 9 }, () => "SIGNING_KEY_TOO_NEW")]);
  expect(await rotationRows(h.db)).toHaveLength(1);
});

test("a key that has signed for its time is rotated by itself, once, and a younger one is not", async () => {
  await using h = await startAuth();
  const lines: object[] = [];
  const logger = {
    info: (line: object) => void lines.push(line),
    warn: (line: object) => void lines.push(line),
  };
  const rotators = [1, 2].map(() =>
    createKeyRotator({
      rotation: rotationOf(h.db, h.masterKey),
      maxActiveMs: 90 * DAY_MS,
      logger: logger as never,
    }),
  );
  const lookAll = async () => {
    await Promise.all(rotators.map((rotator) => rotator.start()));
    await Promise.all(rotators.map((rotator) => rotator.stop()));
  };
  await age(h.db, 89 * DAY_MS);
  await lookAll();
  expect(await rotationRows(h.db)).toEqual([]);
  await age(h.db, DAY_MS);
  await lookAll();
  expect(await rotationRows(h.db)).toHaveLength(1);
  expect(lines).toMatchObject([{ active: expect.any(String), retired: expect.any(String) }]);
});
