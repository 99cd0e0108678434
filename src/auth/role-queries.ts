import { array, type Fragment, json, type Sql } from "../db/sql.ts";
import type { CustomRole } from "./model.ts";

/** What a role's maker wants of it. */
export interface NewRole {
  readonly name: string;
  readonly description: string;
  readonly permissions: readonly string[];
  readonly createdBy: string;
  readonly requestId: string | null;
  readonly requestHash: string | null;
}

function columns(sql: Sql): Fragment {
  return sql`name, description, to_jsonb(permissions) as permissions, version, created_at, updated_at`;
}

/** Those of `names` that are custom roles. */
export async function findCustomRoles(sql: Sql, names: readonly string[]): Promise<CustomRole[]> {
  return await sql<CustomRole[]>`
    select ${columns(sql)} from roles where name = any(${array(names)}::text::text[])`;
}

/** The new role; null if the name is taken. */
export async function insertRole(tx: Sql, role: NewRole): Promise<CustomRole | null> {
  await tx`
    update roles set request_id = null, request_hash = null
    where created_by = ${role.createdBy} and request_id = ${role.requestId}
      and created_at < now() - interval '24 hours'`;
  const [row] = await tx<CustomRole[]>`
    insert into roles (name, description, permissions, created_by, request_id, request_hash)
    values (${role.name}, ${role.description},
      array(select jsonb_array_elements_text(${json(role.permissions)}::text::jsonb)),
      ${role.createdBy}, ${role.requestId}, ${role.requestHash})
    on conflict (name) do nothing
    returning ${columns(tx)}`;
  return row ?? null;
}

/** The role that a request made within 24 hours, and the hash of that request. */
export async function findRoleByRequest(
  sql: Sql,
  createdBy: string,
  requestId: string,
): Promise<{ readonly role: CustomRole; readonly requestHash: string } | null> {
  const [row] = await sql<(CustomRole & { requestHash: string })[]>`
    select ${columns(sql)}, request_hash from roles
    where created_by = ${createdBy} and request_id = ${requestId} and created_at >= now() - interval '24 hours'`;
  if (!row) return null;
  const { requestHash, ...role } = row;
  return { role, requestHash };
}

/** Newest first; `before` is the last one of the page before. */
export async function listCustomRoles(
  sql: Sql,
  {
    before,
    limit,
  }: { readonly before: Pick<CustomRole, "createdAt" | "name"> | null; readonly limit: number },
): Promise<CustomRole[]> {
  return await sql<CustomRole[]>`
    select ${columns(sql)} from roles
    ${before ? sql`where (created_at, name) < (${before.createdAt}, ${before.name})` : sql``}
    order by created_at desc, name desc limit ${limit}`;
}

/** Replaces what the role is; it must exist. */
export async function updateRole(
  tx: Sql,
  { name, description, permissions }: Pick<NewRole, "name" | "description" | "permissions">,
): Promise<CustomRole> {
  const [row] = await tx<[CustomRole]>`
    update roles set description = ${description},
      permissions = array(select jsonb_array_elements_text(${json(permissions)}::text::jsonb)),
      version = version + 1, updated_at = now()
    where name = ${name} returning ${columns(tx)}`;
  return row;
}

export async function deleteRole(tx: Sql, name: string): Promise<void> {
  await tx`delete from roles where name = ${name}`;
}

/** How many users have the role, disabled ones included. */
export async function countHolders(sql: Sql, role: string): Promise<number> {
  const [row] = await sql<[{ count: number }]>`
    select count(*)::int as count from users where roles @> ${array([role])}::text::text[]`;
  return row.count;
}

export async function countCustomRoles(sql: Sql): Promise<number> {
  const [row] = await sql<[{ count: number }]>`select count(*)::int as count from roles`;
  return row.count;
}
