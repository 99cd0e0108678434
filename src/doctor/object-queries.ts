import { array, type Sql } from "../db/sql.ts";

/** A row that names an object. */
export interface ObjectUse {
  readonly jobId: string;
  readonly key: string;
  readonly kind: "document" | "result" | "checkpoint";
  /** As it was when it was stored; null where nobody noted it. */
  readonly sizeBytes: number | null;
}

/** The objects that these jobs need. */
export async function objectsOf(sql: Sql, ids: readonly string[]): Promise<ObjectUse[]> {
  return await sql<ObjectUse[]>`
    with page as (
      select j.id, j.document_id, w.place from jobs j
      join unnest(${array(ids)}::text::uuid[]) with ordinality as w(id, place) on w.id = j.id
    )
    select u.job_id, u.key, u.kind, u.size_bytes from (
      select p.place, p.id as job_id, d.object_key as key, 'document' as kind, d.size_bytes::float8 as size_bytes
      from page p join documents d on d.id = p.document_id where d.object_key is not null
      union all
      select p.place, p.id, c.object_key, 'result', c.size_bytes::float8
      from page p join job_result_contents c on c.job_id = p.id where c.object_key is not null
      union all
      select p.place, p.id, s.checkpoint_object, 'checkpoint', null
      from page p join job_stages s on s.job_id = p.id where s.checkpoint_object is not null
    ) as u order by u.place, u.key`;
}

/** Those of these keys that no row names. Each is known with the job that its name tells; those of documents name theirs. */
export async function unusedKeys(
  sql: Sql,
  keys: readonly { readonly key: string; readonly jobId: string }[],
): Promise<string[]> {
  const rows = await sql<{ key: string }[]>`
    select k.key from unnest(${array(keys.map(({ key }) => key))}::text::text[],
      ${array(keys.map(({ jobId }) => jobId))}::text::uuid[]) as k(key, job_id)
    where not exists (select from job_result_contents c where c.job_id = k.job_id and c.object_key = k.key)
      and not exists (select from job_stages s where s.job_id = k.job_id and s.checkpoint_object = k.key)
      and not exists (select from documents d where d.object_key = k.key)
      and not exists (select from stored_objects o where o.key = k.key)
      and not exists (select from documents d where d.upload_key = k.key and d.sha256 is null)`;
  return rows.map(({ key }) => key);
}
