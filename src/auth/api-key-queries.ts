import { type Fragment, inScope, json, type ScopedSql, type ScopedTransaction, type Sql } from "../db/sql.ts";
import type { ApiKey } from "./model.ts";

export interface NewApiKey {
  readonly id: string;
  readonly hash: Buffer;
  readonly name: string;
  readonly ownerId: string;
  /** Who asked for it; null = the program itself. */
  readonly createdBy: string | null;
  /** The key that it is made with; null = it is made with none. */
  readonly makerKeyId: string | null;
  readonly permissions: readonly string[];
  readonly expiresAt: Date;
  readonly requestId: string | null;
  readonly requestHash: string | null;
}

function columns(sql: Sql): Fragment {
  return sql`id, name, owner_id, maker_key_id, to_jsonb(permissions) as permissions, created_at, expires_at, last_used_at,
    revoked_at`;
}

/** The new key; null if its maker's `requestId` already made one within 24 hours. */
export async function insertApiKey(tx: ScopedTransaction, key: NewApiKey): Promise<ApiKey | null> {
  await tx`
    update api_keys set request_id = null, request_hash = null
    where created_by = ${key.createdBy} and request_id = ${key.requestId} and created_at < now() - interval '24 hours'`;
  const [row] = await tx<ApiKey[]>`
    insert into api_keys (id, hash, name, owner_id, created_by, maker_key_id, permissions, expires_at, request_id, request_hash)
    values (${key.id}, ${key.hash}, ${key.name}, ${key.ownerId}, ${key.createdBy}, ${key.makerKeyId},
      array(select jsonb_array_elements_text(${json(key.permissions)}::text::jsonb)),
      ${key.expiresAt}, ${key.requestId}, ${key.requestHash})
    on conflict (created_by, request_id) where request_id is not null do nothing
    returning ${columns(tx)}`;
  return row ?? null;
}

/** The key that a request made, and the hash of that request. */
export async function findApiKeyByRequest(
  sql: ScopedTransaction,
  createdBy: string,
  requestId: string,
): Promise<(ApiKey & { readonly requestHash: string }) | null> {
  const [row] = await sql<(ApiKey & { requestHash: string })[]>`
    select ${columns(sql)}, request_hash from api_keys
    where created_by = ${createdBy} and request_id = ${requestId} and ${inScope(sql)}`;
  return row ?? null;
}

export interface ApiKeyPage {
  readonly includeInactive: boolean;
  /** Only keys of this user; null = all in the scope. */
  readonly userId: string | null;
  /** The last key of the page before; empty = the first page. */
  readonly beforeId: string;
  readonly limit: number;
}

/** Newest first. */
export async function listApiKeys(
  sql: ScopedSql,
  { includeInactive, userId, beforeId, limit }: ApiKeyPage,
): Promise<ApiKey[]> {
  // Ids are random, so the place of the last one is looked up; keys are never removed while their owner is there.
  return await sql<ApiKey[]>`
    select ${columns(sql)} from api_keys
    where ${inScope(sql)} and (${userId}::uuid is null or owner_id = ${userId})
      and (${includeInactive} or (revoked_at is null and expires_at > now()))
      and (${beforeId} = '' or (created_at, id) < (select b.created_at, b.id from api_keys b where b.id = ${beforeId}))
    order by created_at desc, id desc limit ${limit}`;
}

/** The key as it is after it is revoked; `changed` is false if it was before. Null if it is not in the scope. */
export async function revokeApiKey(
  tx: ScopedTransaction,
  id: string,
): Promise<{ readonly key: ApiKey; readonly changed: boolean } | null> {
  const [row] = await tx<(ApiKey & { changed: boolean })[]>`
    with before as (
      select id as key_id, revoked_at as revoked_before from api_keys
      where id = ${id} and ${inScope(tx)} for update)
    update api_keys k set revoked_at = coalesce(k.revoked_at, now()) from before
    where k.id = before.key_id
    returning ${columns(tx)}, revoked_before is null as changed`;
  if (!row) return null;
  const { changed, ...key } = row;
  return { key, changed };
}
