import { json, type Sql } from "../db/sql.ts";

export type SigningKeyState = "next" | "active" | "retired";

export interface SigningKeyRow {
  readonly kid: string;
  readonly publicJwk: Readonly<Record<string, string>>;
  /** PKCS #8, encrypted. */
  readonly privateKey: Uint8Array;
  readonly state: SigningKeyState;
}

/** The keys that tokens may still be signed with; retired ones for an hour. */
export async function readSigningKeys(sql: Sql): Promise<SigningKeyRow[]> {
  return await sql<SigningKeyRow[]>`
    select kid, public_jwk, private_key, state from signing_keys
    where state <> 'retired' or retired_at > now() - interval '1 hour' order by created_at, kid limit 32`;
}

/** One at a time makes keys, until its transaction ends. */
export async function lockSigningKeys(sql: Sql): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended('sluice:signing_keys', 0))`;
}

export async function insertSigningKey(sql: Sql, key: SigningKeyRow): Promise<void> {
  await sql`
    insert into signing_keys (kid, public_jwk, private_key, state)
    values (${key.kid}, ${json(key.publicJwk)}::text::jsonb, ${Buffer.from(key.privateKey)}, ${key.state})`;
}

/** Retires the active key and activates the next one. */
export async function advanceSigningKeys(sql: Sql): Promise<void> {
  await sql`update signing_keys set state = 'retired', retired_at = now() where state = 'active'`;
  await sql`
    update signing_keys set state = 'active'
    where kid = (select kid from signing_keys where state = 'next' order by created_at, kid limit 1)`;
}
