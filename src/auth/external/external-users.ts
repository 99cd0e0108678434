import type { Auditor } from "../../audit/auditor.ts";
import type { Database } from "../../db/sql.ts";
import { newId } from "../../lib/ids.ts";
import type { Peer } from "../model.ts";
import type { ExternalIdentity } from "./external-tokens.ts";
import { insertExternalUser } from "./external-user-queries.ts";

/** Makes the user that an external token stands for, at its first use; of any number of first uses at once, one does. */
export function createExternalUserMaker({
  db,
  audit,
}: {
  readonly db: Database;
  readonly audit: Auditor;
}): (identity: ExternalIdentity, peer: Peer) => Promise<void> {
  return async ({ issuer, subject, displayName, roles, tokenId }, peer) => {
    const id = newId();
    await db.begin(async (tx) => {
      if (!(await insertExternalUser(tx, { id, issuer, subject, displayName }))) return;
      await audit.record(
        tx,
        { ...peer, userId: id, credentialId: tokenId },
        {
          action: "users.create",
          resourceType: "user",
          resourceId: id,
          details: { issuer, subject, display_name: displayName, roles },
        },
      );
    });
  };
}
