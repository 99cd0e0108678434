import type { Transaction } from "../db/sql.ts";

/** Revokes what was made with the key, and with those keys in turn. Returns the ids of those that are revoked by this. */
export async function revokeKeysMadeWith(tx: Transaction, id: string): Promise<string[]> {
  const rows = await tx<{ id: string }[]>`
    with recursive made as (
      select k.id from api_keys k where k.maker_key_id = ${id}
      union all select k.id from api_keys k join made m on k.maker_key_id = m.id)
    update api_keys set revoked_at = now() where id in (select id from made) and revoked_at is null
    returning id`;
  return rows.map((row) => row.id).sort();
}
