import { array, type Sql } from "../../db/sql.ts";
import { doomObjects } from "../expiry-queries.ts";

/** An object that holds the bytes of a document. */
export interface SharedObject {
  readonly sha256: string;
  readonly key: string;
  /** One that these bytes were known under, and that is lost: whatever names it is to name this one. */
  readonly lostKey: string | null;
}

/** The key that the bytes with this hash lie under; null when they are not known. */
export async function sharedKey(sql: Sql, sha256: string): Promise<string | null> {
  const [row] = await sql<{ key: string }[]>`select key from stored_objects where sha256 = ${sha256}`;
  return row?.key ?? null;
}

/**
 * The keys that these bytes lie under, by their hash: `key`, or that of an object that holds the same. Objects that are
 * not needed then are noted to be removed. Whoever calls lets a document name what is answered in the same transaction.
 */
export async function shareObjects(sql: Sql, objects: readonly SharedObject[]): Promise<Map<string, string>> {
  if (objects.length === 0) return new Map();
  const lost = array(objects.flatMap(({ lostKey }) => lostKey ?? []));
  // DO UPDATE, so that a row that stood is locked: nobody removes its object until this transaction has ended. In one
  // order for all, so that two that meet never wait in a circle.
  const rows = await sql<{ sha256: string; key: string }[]>`
    insert into stored_objects (sha256, key)
    select distinct on (w.sha256) w.sha256, w.key
    from unnest(${array(objects.map(({ sha256 }) => sha256))}::text::text[],
      ${array(objects.map(({ key }) => key))}::text::text[]) as w(sha256, key)
    order by w.sha256
    on conflict (sha256) do update set key =
      case when stored_objects.key = any(${lost}::text::text[]) then excluded.key else stored_objects.key end
    returning sha256, key`;
  const shared = new Map(rows.map(({ sha256, key }) => [sha256, key]));
  for (const { lostKey, sha256 } of objects) {
    const key = shared.get(sha256);
    if (lostKey !== null && key !== undefined && key !== lostKey)
      await sql`update documents set object_key = ${key} where object_key = ${lostKey} and sha256 = ${sha256}`;
  }
  await doomObjects(
    sql,
    objects.filter(({ sha256, key }) => shared.get(sha256) !== key).map(({ key }) => key),
  );
  return shared;
}

/**
 * Those of these objects that nothing names or awaits, and that nothing can begin to name once this transaction has ended.
 * Those that a document names are no longer noted to be removed.
 */
export async function releaseObjects(sql: Sql, keys: readonly string[]): Promise<string[]> {
  const wanted = array(keys);
  // Waits for those that note a key anew because they delete a document, and for those that begin to name its object;
  // the statements after it then see what they did.
  await sql`select from doomed_objects where key = any(${wanted}::text::text[]) order by key for update`;
  await sql`select from stored_objects where key = any(${wanted}::text::text[]) order by sha256 for update`;
  await sql`delete from stored_objects s where key = any(${wanted}::text::text[])
    and not exists (select from documents d where d.object_key = s.key)`;
  await sql`delete from doomed_objects o where key = any(${wanted}::text::text[])
    and exists (select from documents d where d.object_key = o.key)`;
  const rows = await sql<{ key: string }[]>`
    select key from unnest(${wanted}::text::text[]) as key
    where not exists (select from documents d where d.object_key = key)
      and not exists (select from documents d where d.upload_key = key and d.sha256 is null)`;
  return rows.map(({ key }) => key);
}
