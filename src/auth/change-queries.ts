import { array, type Sql } from "../db/sql.ts";

/** The channel on which processes tell each other that a credential changed. */
export const CHANGE_CHANNEL = "sluice_auth";

/**
 * Whose credentials changed: those of a user, of all who have a role, of a session or an API key; or which keys tokens are
 * signed with.
 */
export interface CredentialChange {
  readonly kind: "user" | "role" | "session" | "key" | "signing_key";
  readonly id: string;
}

/** Tells all processes, when the transaction commits. */
export async function notifyChange(tx: Sql, change: CredentialChange): Promise<void> {
  await notifyChanges(tx, [change]);
}

/** The same for many, in one statement. */
export async function notifyChanges(tx: Sql, changes: readonly CredentialChange[]): Promise<void> {
  const payloads = changes.map(({ kind, id }) => `${kind}:${id}`);
  await tx`select pg_notify(${CHANGE_CHANNEL}, change) from unnest(${array(payloads)}::text::text[]) as change`;
}
