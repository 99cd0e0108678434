import { array, type Fragment, type Sql } from "../db/sql.ts";
import type { ExternalHolder } from "../lib/caller.ts";

interface Holder {
  readonly userId: string;
  readonly email: string;
  readonly isActive: boolean;
  readonly roles: readonly string[];
  /** The permissions of the user's custom roles. */
  readonly customPermissions: readonly string[];
}

export type ExternalPrincipal = Holder;

export interface SessionPrincipal extends Holder {
  readonly tokenVersion: number;
  readonly isEnded: boolean;
}

export interface KeyPrincipal extends Holder {
  readonly hash: Uint8Array;
  readonly permissions: readonly string[];
  readonly expiresAt: Date;
  readonly isRevoked: boolean;
  readonly lastUsedAt: Date | null;
}

function holder(sql: Sql, roles: Fragment = sql`u.roles`): Fragment {
  return sql`u.id as user_id, coalesce(u.email, '') as email, u.is_active, to_jsonb(${roles}) as roles,
    coalesce((select jsonb_agg(p) from roles r cross join unnest(r.permissions) p where r.name = any(${roles})),
      '[]'::jsonb) as custom_permissions`;
}

export async function findSessionPrincipal(sql: Sql, sessionId: string): Promise<SessionPrincipal | null> {
  const [row] = await sql<SessionPrincipal[]>`
    select ${holder(sql)}, u.token_version, s.ended_at is not null as is_ended
    from sessions s join users u on u.id = s.user_id where s.id = ${sessionId}`;
  return row ?? null;
}

export async function findKeyPrincipal(sql: Sql, keyId: string): Promise<KeyPrincipal | null> {
  const [row] = await sql<KeyPrincipal[]>`
    select ${holder(sql)}, k.hash, to_jsonb(k.permissions) as permissions, k.expires_at,
      k.revoked_at is not null as is_revoked, k.last_used_at
    from api_keys k join users u on u.id = k.owner_id where k.id = ${keyId}`;
  return row ?? null;
}

/** The user with the roles of the token, not with any of its own; null if there is no such user yet. */
export async function findExternalPrincipal(
  sql: Sql,
  { issuer, subject, roles }: ExternalHolder,
): Promise<ExternalPrincipal | null> {
  const [row] = await sql<ExternalPrincipal[]>`
    select ${holder(sql, sql`${array(roles)}::text::text[]`)}
    from users u where u.issuer = ${issuer} and u.subject = ${subject}`;
  return row ?? null;
}

/** Notes the use of a key, once a minute at the most. */
export async function noteKeyUse(sql: Sql, keyId: string): Promise<void> {
  await sql`
    update api_keys set last_used_at = now()
    where id = ${keyId} and (last_used_at is null or last_used_at < now() - interval '1 minute')`;
}
