import type { Database } from "../../db/sql.ts";
import type { ObjectStore } from "../../storage/object-store.ts";
import { forgetObjects } from "../expiry-queries.ts";
import { releaseObjects } from "./object-queries.ts";

/**
 * Removes those of these objects that no document names. What the store refuses is tried again by a later sweep, if it
 * was noted to be removed.
 */
export async function removeObjects(
  { db, store }: { readonly db: Database; readonly store: ObjectStore },
  keys: readonly string[],
): Promise<void> {
  if (keys.length === 0) return;
  const free = await db.begin((tx) => releaseObjects(tx, keys));
  const ends = await Promise.allSettled(free.map((key) => store.delete(key)));
  await forgetObjects(
    db.sql,
    free.filter((_, i) => ends[i]?.status === "fulfilled"),
  );
}
