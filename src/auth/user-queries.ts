import { type Fragment, json, type Sql } from "../db/sql.ts";
import type { User, UserWithHash } from "./model.ts";

export interface NewUser {
  readonly id: string;
  readonly email: string;
  readonly displayName: string;
  readonly passwordHash: string | null;
  readonly roles: readonly string[];
  readonly isServiceAccount: boolean;
  readonly mustChangePassword: boolean;
}

function columns(sql: Sql): Fragment {
  // The driver knows no array types; JSON it reads.
  return sql`id, coalesce(email, '') as email, display_name, to_jsonb(roles) as roles, is_active, is_service_account,
    must_change_password, token_version, version, created_at, updated_at, last_login_at, issuer, subject`;
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
  const [row] = await sql<User[]>`
    insert into users (id, email, display_name, password_hash, roles, is_service_account, must_change_password)
    values (${user.id}, ${user.email}, ${user.displayName}, ${user.passwordHash},
      array(select jsonb_array_elements_text(${json(user.roles)}::text::jsonb)),
      ${user.isServiceAccount}, ${user.mustChangePassword})
    on conflict (lower(email)) do nothing
    returning ${columns(sql)}`;
  return row ?? null;
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

/** Those of `names` that are custom roles. */
export async function findCustomRoles(sql: Sql, names: readonly string[]): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select name from roles where name in (select jsonb_array_elements_text(${json(names)}::text::jsonb))`;
  return rows.map(({ name }) => name);
}
