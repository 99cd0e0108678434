import { join } from "node:path";
import type { Auditor } from "../audit/auditor.ts";
import { systemActor } from "../audit/model.ts";
import type { Database } from "../db/sql.ts";
import { newId } from "../lib/ids.ts";
import type { Logger } from "../telemetry/logger.ts";
import { normalizeEmail } from "./model.ts";
import { makePassword } from "./password-rules.ts";
import type { Passwords } from "./passwords.ts";
import { writeSecretFile } from "./secret-file.ts";
import { anyUser, findOldestAdmin, insertUser, lockBootstrap } from "./user-queries.ts";

const DEFAULT_EMAIL = "admin@localhost";
const PASSWORD_FILE = "admin-password";

export interface BootstrapOptions {
  readonly db: Database;
  readonly audit: Auditor;
  readonly passwords: Passwords;
  /** Default `admin@localhost`. */
  readonly email?: string | undefined;
  /** None = one is made, and written into the data folder. */
  readonly password?: string | undefined;
  readonly dataDir: string;
  readonly logger: Pick<Logger, "info">;
}

export interface BootstrapResult {
  /** The administrator: the new one, or the oldest; empty if there are users but no administrator. */
  readonly email: string;
  /** Where the password that was made stands. */
  readonly passwordPath?: string;
  readonly created: boolean;
}

/**
 * Makes the first administrator if there is no user at all. Of any number of first starts at once exactly one does;
 * the others wait and find it. The password is on disk before the user is committed.
 * @throws SecretFileError, PasswordsBusyError
 */
export async function bootstrapAdmin(options: BootstrapOptions): Promise<BootstrapResult> {
  const { db, audit, passwords, logger, dataDir } = options;
  if (await anyUser(db.sql)) return await existing(db);
  const email = normalizeEmail(options.email || DEFAULT_EMAIL);
  const password = options.password || makePassword();
  const passwordPath = options.password ? undefined : join(dataDir, PASSWORD_FILE);
  // Outside the transaction: others wait for its lock.
  const passwordHash = await passwords.hash(password);
  const created = await db.begin(async (tx) => {
    await lockBootstrap(tx);
    if (await anyUser(tx)) return false;
    if (passwordPath) await writeSecretFile(passwordPath, `${password}\n`);
    const mustChangePassword = passwordPath !== undefined;
    const roles = ["admin"];
    const row = { id: newId(), email, displayName: "Administrator", passwordHash, roles, mustChangePassword };
    const user = await insertUser(tx, { ...row, isServiceAccount: false });
    await audit.record(tx, systemActor("bootstrap"), {
      action: "auth.bootstrap",
      resourceType: "user",
      resourceId: user?.id ?? "",
      details: { email, generated: mustChangePassword },
    });
    return true;
  });
  if (!created) return await existing(db);
  logger.info({ email, ...(passwordPath && { path: passwordPath }) }, "created the first administrator");
  return { email, ...(passwordPath && { passwordPath }), created: true };
}

async function existing(db: Database): Promise<BootstrapResult> {
  return { email: (await findOldestAdmin(db.sql))?.email ?? "", created: false };
}
