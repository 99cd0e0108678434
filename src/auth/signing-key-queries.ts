import { json, type Sql } from "../db/sql.ts";

export type SigningKeyState = "next" | "active" | "retired";

export interface SigningKeyRow {
  readonly kid: string;
  readonly publicJwk: Readonly<Record<string, string>>;
  /** PKCS #8, encrypted. */
  readonly privateKey: Uint8Array;
  readonly state: SigningKeyState;
}

/** A key and its way, without the key itself. */
export interface SigningKeyInfo {
  readonly kid: string;
  readonly state: SigningKeyState;
  readonly compromised: boolean;
  readonly createdAt: Date;
  readonly activatedAt: Date | null;
  readonly retiredAt: Date | null;
  readonly ageMs: number;
  /** Since it signs, or signed first; null = it never did. */
  readonly activeForMs: number | null;
}

/** The keys that tokens may still be signed with; retired ones for an hour. */
export async function readSigningKeys(sql: Sql): Promise<SigningKeyRow[]> {
  return await sql<SigningKeyRow[]>`
    select kid, public_jwk, private_key, state from signing_keys
    where not compromised and (state <> 'retired' or retired_at > now() - interval '1 hour')
    order by created_at, kid limit 32`;
}

/** Newest first, at most 100. */
export async function listSigningKeys(sql: Sql): Promise<SigningKeyInfo[]> {
  return await sql<SigningKeyInfo[]>`
    select kid, state, compromised, created_at, activated_at, retired_at,
      extract(epoch from now() - created_at)::float8 * 1000 as age_ms,
      extract(epoch from now() - activated_at)::float8 * 1000 as active_for_ms
    from signing_keys order by created_at desc, kid limit 100`;
}

/** One at a time makes keys, until its transaction ends. */
export async function lockSigningKeys(sql: Sql): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended('sluice:signing_keys', 0))`;
}

export async function insertSigningKey(sql: Sql, key: SigningKeyRow): Promise<void> {
  await sql`
    insert into signing_keys (kid, public_jwk, private_key, state, activated_at)
    values (${key.kid}, ${json(key.publicJwk)}::text::jsonb, ${Buffer.from(key.privateKey)}, ${key.state},
      case when ${key.state} = 'active' then now() end)`;
}

/** Retires the active key and activates the next one. */
export async function advanceSigningKeys(sql: Sql): Promise<void> {
  await sql`update signing_keys set state = 'retired', retired_at = now() where state = 'active'`;
  await sql`
    update signing_keys set state = 'active', activated_at = now()
    where kid = (select kid from signing_keys where state = 'next' order by created_at, kid limit 1)`;
}

/** Every key of now, those that were retired too, counts for nothing any more. */
export async function condemnSigningKeys(sql: Sql): Promise<void> {
  await sql`
    update signing_keys set state = 'retired', compromised = true, retired_at = coalesce(retired_at, now())
    where not compromised`;
}
