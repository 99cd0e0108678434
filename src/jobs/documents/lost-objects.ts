import type { Sql } from "../../db/sql.ts";
import type { ObjectStore } from "../../storage/object-store.ts";
import { sharedKey } from "./object-queries.ts";

/**
 * The object that these bytes are known under by their hash, if the store does not have it any more, as after a loss of its
 * disk; else null. Whoever brings the bytes anew then puts their own in its place, for all documents that name it.
 */
export async function findLostObject(
  { sql, store }: { sql: Sql; store: Pick<ObjectStore, "head"> },
  { sha256, size }: { sha256: string; size: number },
): Promise<string | null> {
  const key = await sharedKey(sql, sha256);
  if (key === null) return null;
  const found = await store.head(key);
  return found?.size === size ? null : key;
}
