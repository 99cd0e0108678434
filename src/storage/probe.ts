import { randomUUID } from "node:crypto";
import type { ObjectStore } from "./object-store.ts";

/** Writes, reads and deletes an object. @throws what the store throws; an Error when it came back changed */
export async function probe(store: Pick<ObjectStore, "put" | "get" | "delete">): Promise<void> {
  const key = `health-check/${randomUUID()}`;
  await store.put(key, Buffer.from(key));
  const read: Uint8Array[] = [];
  for await (const chunk of (await store.get(key)).body) read.push(chunk);
  if (Buffer.concat(read).toString() !== key) throw new Error("a probe came back changed");
  await store.delete(key);
}
