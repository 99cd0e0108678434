import { SluiceError } from "../lib/errors.ts";
import { type Database, sqlState, type Transaction } from "./sql.ts";

const INSUFFICIENT_PRIVILEGE = "42501";

/** Nothing would keep callers from rows of others if a query forgot its owner. */
export class WallMissingError extends SluiceError {
  override name = "WallMissingError";
  readonly kind = "failed_precondition";
  readonly reason = "ROW_SECURITY_MISSING";
  constructor(login: string, role: string) {
    super(
      `Row-level security does not hold for the database role ${login}. Run \`sluice migrate\` with a login that may make ` +
        `roles, or one that is no superuser and has no BYPASSRLS; or let an administrator of the database run ` +
        `\`create role "${role}" nologin; grant "${role}" to "${login}"\` before it.`,
      { login, role },
    );
  }
}

interface Login {
  readonly name: string;
  /** The role for what is done in the name of callers. */
  readonly role: string;
  /** The login may take that role. */
  readonly isMember: boolean;
  readonly bypasses: boolean;
  readonly mayCreate: boolean;
}

/**
 * Makes row-level security hold for what is done in the name of callers: by a role of its own that is granted the tables
 * with policies or, when the login has none and may make none, by policies that hold for the owner of the tables too; then
 * one more on each table lets the service's own work pass. Changes only what is not so yet. @throws WallMissingError
 */
export async function raiseWalls(tx: Transaction): Promise<void> {
  const [login] = await tx<[Login]>`
    select rolname as name, scoped_role() as role, rolsuper or rolbypassrls as bypasses,
      coalesce(pg_has_role(oid, to_regrole(quote_ident(scoped_role()))::oid, 'member'), false) as is_member,
      rolsuper or rolcreaterole as may_create
    from pg_roles where rolname = session_user`;
  const hasRole = login.isMember || (login.mayCreate && (await makeRole(tx, login)));
  if (!hasRole && login.bypasses) throw new WallMissingError(login.name, login.role);
  const missing = await tx<{ statement: string }[]>`
    with walled as (
      select oid, relname as name, relforcerowsecurity as is_forced,
        exists (select from pg_policy where polrelid = pg_class.oid and polname = 'everybody') as is_open
      from pg_class where relnamespace = current_schema()::regnamespace and relrowsecurity
    ), granted as (
      select oid, name from walled
      -- Without an owner, and statements of callers come to them.
      union all select oid, relname from pg_class
      where oid in ('doomed_objects'::regclass, 'audit_unsealed'::regclass, 'audit_seals'::regclass)
    )
    select format('alter table %I force row level security', name) as statement from walled
    where not ${hasRole} and not is_forced
    union all
    select format('create policy everybody on %I using ((select sees_everybody()))', name) from walled
    where not ${hasRole} and not is_open
    union all
    select format('alter table %I no force row level security', name) from walled where ${hasRole} and is_forced
    union all
    select format('drop policy everybody on %I', name) from walled where ${hasRole} and is_open
    union all
    select format('grant select, insert, update, delete on %I to %I', name, ${login.role}::text) from granted
    where ${hasRole} and not (select bool_and(has_table_privilege(to_regrole(quote_ident(${login.role}::text)), oid, p))
      from unnest(array['select', 'insert', 'update', 'delete']) as p)
    union all
    select format('grant usage on schema %I to %I', current_schema(), ${login.role}::text)
    where ${hasRole} and not has_schema_privilege(to_regrole(quote_ident(${login.role}::text)), current_schema(), 'usage')`;
  for (const { statement } of missing) await tx.unsafe(statement);
}

/** @throws WallMissingError when nothing done in the name of callers would be kept from rows of others */
export async function assertWalls(db: Database): Promise<void> {
  try {
    await db.begin(async (tx) => await tx`select enter_scope('', true)`);
  } catch (error) {
    if (sqlState(error) !== INSUFFICIENT_PRIVILEGE) throw error;
    const [login] = await db.sql<
      [Pick<Login, "name" | "role">]
    >`select session_user as name, scoped_role() as role`;
    throw new WallMissingError(login.name, login.role);
  }
}

/** Makes the role, for this login. False when it is there and not to be had. */
async function makeRole(tx: Transaction, { name, role }: Login): Promise<boolean> {
  const [{ make, grant }] = await tx<[{ make: string; grant: string }]>`
    select format('create role %I nologin', ${role}::text) as make,
      format('grant %I to %I', ${role}::text, ${name}::text) as grant`;
  const tried = async (statement: string) =>
    await tx
      .savepoint((step) => step.unsafe(statement))
      .then(
        () => true,
        () => false,
      );
  // The login of several databases makes it for all of them, maybe at the same time.
  await tried(make);
  return await tried(grant);
}
