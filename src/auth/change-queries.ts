import type { Sql } from "../db/sql.ts";

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
export async function notifyChange(tx: Sql, { kind, id }: CredentialChange): Promise<void> {
  await tx`select pg_notify(${CHANGE_CHANNEL}, ${`${kind}:${id}`})`;
}
