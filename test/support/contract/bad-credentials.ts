import { createSigningKeys } from "../../../src/auth/signing-keys.ts";
import { createAccessTokens } from "../../../src/auth/tokens.ts";
import { openDatabase } from "../../../src/db/sql.ts";
import type { Stand } from "./stand.ts";

/** Headers of callers who must not come in, by what is wrong with them. */
export type BadCredentials = ReadonlyMap<string, Readonly<Record<string, string>>>;

const HOUR_MS = 3_600_000;
const bearer = (text: string) => ({ authorization: `Bearer ${text}` });

/** Every kind of credential that is good for nothing; all of them were good once, or look as if. */
export async function badCredentials(stand: Stand): Promise<BadCredentials> {
  const { admin, sql } = stand;
  const key = async (name: string) =>
    await admin.client.auth.createApiKey({ name, permissions: ["account:read", "jobs:read"] });
  const [revoked, expired, session] = await Promise.all([key("revoked"), key("expired"), stand.login(admin)]);
  await admin.client.auth.revokeApiKey({ id: revoked.apiKey?.id ?? "" });
  await sql`update api_keys set expires_at = now() - interval '1 second' where id = ${expired.apiKey?.id ?? ""}`;
  const expiredToken = await tokenOfThePast(stand, session.accessToken);
  await session.client.auth.logout({});
  return new Map<string, Readonly<Record<string, string>>>([
    ["no credential", {}],
    ["garbage", bearer("x".repeat(40))],
    ["a key of nobody", { "x-api-key": `slk_${"0".repeat(12)}_${"0".repeat(49)}` }],
    ["basic", { authorization: `Basic ${Buffer.from("admin:admin").toString("base64")}` }],
    ["expired JWT", bearer(expiredToken)],
    ["revoked session", bearer(session.accessToken)],
    ["revoked API key", bearer(revoked.secret)],
    ["expired API key", { "x-api-key": expired.secret }],
  ]);
}

/** A token of the server's own keys for the session of `like`, issued two hours ago. */
async function tokenOfThePast({ databaseUrl, masterKey }: Stand, like: string): Promise<string> {
  const claims = JSON.parse(Buffer.from(like.split(".")[1] ?? "", "base64url").toString());
  const clock = { now: () => Date.now() - 2 * HOUR_MS };
  const db = openDatabase({
    url: databaseUrl,
    maxConnections: 1,
    statementTimeoutMs: 10_000,
    applicationName: "test",
  });
  const keys = createSigningKeys({ db, masterKey, clock });
  const tokens = createAccessTokens({ keys, clock, issuer: claims.iss, audience: claims.aud });
  const { text } = await tokens.issue({
    userId: claims.sub,
    sessionId: claims.sid,
    tokenVersion: claims.ver,
    roles: claims.roles,
    sessionEnd: new Date(Date.now() + HOUR_MS),
  });
  await db.close();
  return text;
}
