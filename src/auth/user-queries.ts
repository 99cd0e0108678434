import { array, type Fragment, json, likePattern, type Sql } from "../db/sql.ts";
import type { User, UserWithHash } from "./model.ts";

export interface NewUser {
  readonly id: string;
  readonly email: string;
  readonly displayName: string;
  readonly passwordHash: string | null;
  readonly roles: readonly string[];
  readonly isServiceAccount: boolean;
  readonly mustChangePassword: boolean;
  /** Who asked for it; null = the program itself. */
  readonly createdBy?: string;
  readonly requestId?: string | null;
  readonly requestHash?: string | null;
}

function columns(sql: Sql): Fragment {
  // The driver knows no array types; JSON it reads.
  return sql`id, coalesce(email, '') as email, display_name, to_jsonb(roles) as roles, is_active, is_service_account,
    must_change_password, token_version, version, created_at, updated_at, last_login_at, issuer, subject`;
}

/**
 * Changes of users, roles and keys go one by one until their transactions end: what one looks at (who may give what, who
 * is the last administrator, who has a role, what was made with a key) cannot be changed by another meanwhile.
 */
export async function lockAccounts(tx: Sql): Promise<void> {
  await tx`select pg_advisory_xact_lock(hashtextextended('sluice:accounts', 0))`;
}

/** Whoever makes the first user, or a key for the local machine, waits for others who do. */
export async function lockBootstrap(tx: Sql): Promise<void> {
  await tx`select pg_advisory_xact_lock(hashtextextended('sluice:bootstrap', 0))`;
}

export async function anyUser(sql: Sql): Promise<boolean> {
  return (await sql`select 1 from users limit 1`).length > 0;
}

/** The oldest active user with the role `admin`. */
export async function findOldestAdmin(sql: Sql): Promise<User | null> {
  const [user] = await sql<User[]>`
    select ${columns(sql)} from users where is_active and issuer is null and 'admin' = any(roles)
    order by created_at, id limit 1`;
  return user ?? null;
}

export async function findUserByEmail(sql: Sql, email: string): Promise<UserWithHash | null> {
  const [user] = await sql<UserWithHash[]>`
    select ${columns(sql)}, password_hash from users where lower(email) = lower(${email})`;
  return user ?? null;
}

export async function findUser(sql: Sql, id: string): Promise<UserWithHash | null> {
  const [user] = await sql<UserWithHash[]>`select ${columns(sql)}, password_hash from users where id = ${id}`;
  return user ?? null;
}

/** The user, locked against changes until the transaction ends. */
export async function lockUser(tx: Sql, id: string): Promise<UserWithHash | null> {
  const [user] = await tx<UserWithHash[]>`
    select ${columns(tx)}, password_hash from users where id = ${id} for no key update`;
  return user ?? null;
}

/** The new user; null if the e-mail address is taken. */
export async function insertUser(sql: Sql, user: NewUser): Promise<User | null> {
  const { createdBy = null, requestId = null, requestHash = null } = user;
  await sql`
    update users set request_id = null, request_hash = null
    where created_by = ${createdBy} and request_id = ${requestId} and created_at < now() - interval '24 hours'`;
  const [row] = await sql<User[]>`
    insert into users (id, email, display_name, password_hash, roles, is_service_account, must_change_password,
      created_by, request_id, request_hash)
    values (${user.id}, ${user.email}, ${user.displayName}, ${user.passwordHash},
      array(select jsonb_array_elements_text(${json(user.roles)}::text::jsonb)),
      ${user.isServiceAccount}, ${user.mustChangePassword}, ${createdBy}, ${requestId}, ${requestHash})
    on conflict (lower(email)) do nothing
    returning ${columns(sql)}`;
  return row ?? null;
}

/** The user that a request made within 24 hours, and the hash of that request. */
export async function findUserByRequest(
  sql: Sql,
  createdBy: string,
  requestId: string,
): Promise<{ readonly user: User; readonly requestHash: string } | null> {
  const [row] = await sql<(User & { requestHash: string })[]>`
    select ${columns(sql)}, request_hash from users
    where created_by = ${createdBy} and request_id = ${requestId} and created_at >= now() - interval '24 hours'`;
  if (!row) return null;
  const { requestHash, ...user } = row;
  return { user, requestHash };
}

export interface UserFilter {
  /** Part of the e-mail address or the name, in any case; empty = all. */
  readonly query: string;
  /** Empty = all. */
  readonly role: string;
  /** Null = both. */
  readonly isActive: boolean | null;
}

/** A page of users, newest first. */
export async function listUsers(
  sql: Sql,
  { query, role, isActive }: UserFilter,
  { beforeId, limit }: { readonly beforeId: string | null; readonly limit: number },
): Promise<User[]> {
  const like = likePattern(query);
  return await sql<User[]>`
    select ${columns(sql)} from users where true
      ${query ? sql`and (email ilike ${like} or display_name ilike ${like})` : sql``}
      ${role ? sql`and roles @> ${array([role])}::text::text[]` : sql``}
      ${isActive === null ? sql`` : sql`and is_active = ${isActive}`}
      ${beforeId ? sql`and id < ${beforeId}` : sql``}
    order by id desc limit ${limit}`;
}

/** True if anybody other than this user can log in and has the role `admin`. */
export async function anyOtherAdmin(sql: Sql, userId: string): Promise<boolean> {
  const rows = await sql`
    select 1 from users
    where is_active and password_hash is not null and roles @> '{admin}' and id <> ${userId} limit 1`;
  return rows.length > 0;
}

/** What can be changed of a user. */
export type UserChange = Pick<User, "displayName" | "roles" | "isActive">;

/** Changes a user; with `endTokens` access tokens made until now are refused from now on. */
export async function updateUser(
  tx: Sql,
  id: string,
  { displayName, roles, isActive }: UserChange,
  endTokens: boolean,
): Promise<User> {
  const [row] = await tx<[User]>`
    update users set display_name = ${displayName}, is_active = ${isActive},
      roles = array(select jsonb_array_elements_text(${json(roles)}::text::jsonb)),
      token_version = token_version + ${endTokens ? 1 : 0}, version = version + 1, updated_at = now()
    where id = ${id} returning ${columns(tx)}`;
  return row;
}

/** Notes a login, and keeps the new hash if there is one. */
export async function noteLogin(
  tx: Sql,
  id: string,
  passwordHash: string | null,
  now: Date | null,
): Promise<void> {
  await tx`
    update users set last_login_at = coalesce(${now}::timestamptz, now()),
      password_hash = coalesce(${passwordHash}::text, password_hash)
    where id = ${id}`;
}

/** Sets the password; access tokens made until now are refused from now on. */
export async function updatePassword(
  tx: Sql,
  id: string,
  passwordHash: string,
  mustChangePassword: boolean,
): Promise<void> {
  await tx`
    update users set password_hash = ${passwordHash}, must_change_password = ${mustChangePassword},
      token_version = token_version + 1, version = version + 1, updated_at = now()
    where id = ${id}`;
}
