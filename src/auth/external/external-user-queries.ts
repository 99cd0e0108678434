import type { Sql } from "../../db/sql.ts";

export interface NewExternalUser {
  readonly id: string;
  readonly issuer: string;
  readonly subject: string;
  readonly displayName: string;
}

/** False if the user is there already. */
export async function insertExternalUser(tx: Sql, user: NewExternalUser): Promise<boolean> {
  const rows = await tx`
    insert into users (id, issuer, subject, display_name)
    values (${user.id}, ${user.issuer}, ${user.subject}, ${user.displayName})
    on conflict (issuer, subject) do nothing returning id`;
  return rows.length > 0;
}
