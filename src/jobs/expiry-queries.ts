import { array, type Fragment, type Sql } from "../db/sql.ts";

/** When what ends now will be deleted, as an expression; null when it is kept. */
export function expiryFromNow(sql: Sql, retentionMs: number | null): Fragment {
  return sql`now() + ${retentionMs}::float8 * interval '1 millisecond'`;
}

/** Up to `limit` jobs whose time is over, the longest over first; those that another process deletes are left out. */
export async function lockExpiredJobs(sql: Sql, limit: number): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select id from jobs where expires_at <= now() and status in ('COMPLETED', 'FAILED', 'CANCELLED')
    order by expires_at limit ${limit} for update skip locked`;
  return rows.map(({ id }) => id);
}

/**
 * Deletes up to `limit` documents whose time is over and that no job uses. Those that are used go with their last job.
 * Answers their ids, and the keys of the objects that held them.
 */
export async function deleteExpiredDocuments(
  sql: Sql,
  limit: number,
): Promise<{ id: string; objectKey: string | null }[]> {
  return await sql<{ id: string; objectKey: string | null }[]>`
    with over as (
      select id from documents d where expires_at <= now()
        and not exists (select from jobs j where j.document_id = d.id)
      order by expires_at limit ${limit} for update skip locked
    )
    delete from documents d using over where d.id = over.id
      and not exists (select from jobs j where j.document_id = d.id)
    returning d.id, d.object_key`;
}

/** Notes objects that this transaction, or a document that it deletes, has named last. */
export async function doomObjects(sql: Sql, keys: readonly string[]): Promise<void> {
  if (keys.length === 0) return;
  // DO UPDATE, so that one who is about to take a key off the list waits for this transaction. In one order for all.
  await sql`
    insert into doomed_objects (key) select distinct unnest(${array(keys)}::text::text[]) as key order by key
    on conflict (key) do update set since = least(doomed_objects.since, excluded.since)`;
}

/** Notes an object that is of no use from `inMs` on, or later if that was noted before. */
export async function doomObjectLater(sql: Sql, key: string, inMs: number): Promise<void> {
  await sql`
    insert into doomed_objects (key, since) values (${key}, ${expiryFromNow(sql, inMs)})
    on conflict (key) do update set since = greatest(doomed_objects.since, excluded.since)`;
}

/** The next of them, longest doomed first, of those that are at least `ageMs` old. */
export async function doomedObjects(sql: Sql, ageMs: number, limit: number): Promise<string[]> {
  const rows = await sql<{ key: string }[]>`
    select key from doomed_objects where since <= now() - ${ageMs}::float8 * interval '1 millisecond'
    order by since limit ${limit}`;
  return rows.map(({ key }) => key);
}

export async function forgetObjects(sql: Sql, keys: readonly string[]): Promise<void> {
  if (keys.length > 0) await sql`delete from doomed_objects where key = any(${array(keys)}::text::text[])`;
}
