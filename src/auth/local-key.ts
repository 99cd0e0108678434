import { join } from "node:path";
import type { Auditor } from "../audit/auditor.ts";
import { systemActor } from "../audit/model.ts";
import type { Database, Sql } from "../db/sql.ts";
import { everybody } from "../lib/caller.ts";
import type { Clock } from "../lib/clock.ts";
import { makeApiKey, parseApiKey, secretMatches } from "./api-key-format.ts";
import { insertApiKey } from "./api-key-queries.ts";
import { ALL_PERMISSIONS } from "./permissions.ts";
import { findKeyPrincipal } from "./principal-queries.ts";
import { readSecretFile, writeSecretFile } from "./secret-file.ts";
import { findOldestAdmin, lockBootstrap } from "./user-queries.ts";

const FILE = "local-api-key";
const DAY_MS = 86_400_000;
const LIFETIME_MS = 365 * DAY_MS;
/** A key that ends sooner is replaced at the start, so that it does not end between two of them. */
const RENEW_BEFORE_MS = 30 * DAY_MS;

export interface LocalKeyOptions {
  readonly db: Database;
  readonly audit: Auditor;
  readonly clock: Clock;
  readonly dataDir: string;
}

/**
 * Sees to it that `<data dir>/local-api-key` (mode 0600) holds an API key of the oldest active administrator that
 * works, so that commands on this machine need no login: whoever can read the data folder rules the service anyway.
 * A key that is missing, revoked, altered or ends within 30 days is replaced by one of 365 days. Returns the
 * file's path; null when there is no administrator.
 * @throws SecretFileError
 */
export async function ensureLocalKey({ db, audit, clock, dataDir }: LocalKeyOptions): Promise<string | null> {
  const path = join(dataDir, FILE);
  return await db.beginScoped(everybody("the server makes a key for an administrator"), async (tx) => {
    await lockBootstrap(tx);
    if (await works(tx, await readSecretFile(path), clock.now())) return path;
    const admin = await findOldestAdmin(tx);
    if (!admin) return null;
    const made = makeApiKey();
    const permissions = ALL_PERMISSIONS;
    const expiresAt = new Date(clock.now() + LIFETIME_MS);
    const row = { ...made, name: "local machine", ownerId: admin.id, permissions, expiresAt };
    await insertApiKey(tx, { ...row, createdBy: null, makerKeyId: null, requestId: null, requestHash: null });
    await audit.record(tx, systemActor("local-key"), {
      action: "api_keys.create",
      resourceType: "api_key",
      resourceId: made.id,
      details: { name: row.name, owner: admin.email, expire_time: expiresAt },
    });
    await writeSecretFile(path, `${made.text}\n`);
    return path;
  });
}

/** The key for commands on the server's own machine; null if there is none. @throws SecretFileError */
export async function localCredentials(dataDir: string): Promise<string | null> {
  const text = await readSecretFile(join(dataDir, FILE));
  return text !== null && parseApiKey(text) ? text : null;
}

async function works(tx: Sql, text: string | null, now: number): Promise<boolean> {
  const parts = text === null ? null : parseApiKey(text);
  const key = parts && (await findKeyPrincipal(tx, parts.id));
  if (!key || !secretMatches(parts.secret, key.hash) || key.isRevoked || !key.isActive) return false;
  return key.roles.includes("admin") && key.expiresAt.getTime() - now > RENEW_BEFORE_MS;
}
