import { randomBytes } from "node:crypto";
import { join } from "node:path";

/** The first administrator of installations that tests make. */
export const ADMIN = { email: "admin@example.org", password: "seven owls read by lamplight" };

/**
 * What servers and workers of one installation share: the database, a new master key, a place for files, and an administrator
 * whose password is known.
 */
export function sharedSettings(databaseUrl: string, folder: string) {
  return {
    DATABASE_URL: databaseUrl,
    SLUICE_MASTER_KEY: randomBytes(32).toString("hex"),
    SLUICE_STORAGE_URL: join(folder, "files"),
    SLUICE_ADMIN_EMAIL: ADMIN.email,
    SLUICE_ADMIN_PASSWORD: ADMIN.password,
  };
}
