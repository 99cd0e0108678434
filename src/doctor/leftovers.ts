import type { Sql } from "../db/sql.ts";
import type { ListedObject, ObjectStore } from "../storage/object-store.ts";
import type { Mender } from "./mender.ts";
import type { Check } from "./model.ts";
import { unusedKeys } from "./object-queries.ts";
import { agree, counted, size } from "./words.ts";

export interface LeftoversDeps {
  readonly sql: Sql;
  readonly store: () => ObjectStore;
  readonly mend: Mender;
  readonly now: () => number;
  /** At most so many objects of each folder are looked at. */
  readonly limit: number;
  readonly repairHint: string;
}

/** Where bytes are put before a row names them: `results/<job>/<lease>/<file>`, `documents/<document>`. */
const FOLDERS = ["checkpoints", "documents", "results", "sources"];
const OURS =
  /^(?:checkpoints|documents|results|sources)\/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?:\/|$)/;
/** Objects are put moments before the row that names them; a day later no row will. */
const LEFT_AFTER_MS = 24 * 3_600_000;
const BATCH = 500;
/** What one repair removes at the most, and what one transaction does. */
const MAX_REMOVED = 10_000;
const REMOVED_AT_ONCE = 50;

/** Are objects left that nothing names any more? They cost space and nothing else. */
export function leftoversCheck({ sql, store, mend, now, limit, repairHint }: LeftoversDeps): Check {
  let looked = 0;
  let cut = false;

  async function* old(): AsyncGenerator<ListedObject & { jobId: string }> {
    looked = 0;
    cut = false;
    for (const folder of FOLDERS) {
      let seen = 0;
      for await (const object of store().list(folder)) {
        if (seen === limit) {
          cut = true;
          break;
        }
        seen++;
        looked++;
        const jobId = OURS.exec(object.key)?.[1];
        if (jobId && now() - object.modified.getTime() > LEFT_AFTER_MS) yield { ...object, jobId };
      }
    }
  }

  async function* unused(): AsyncGenerator<ListedObject & { jobId: string }> {
    for await (const batch of inBatches(old(), BATCH)) {
      const keys = new Set(await unusedKeys(sql, batch));
      yield* batch.filter(({ key }) => keys.has(key));
    }
  }

  return {
    name: "leftovers",
    needs: ["schema", "storage"],
    async run() {
      let [count, bytes] = [0, 0];
      const ids: string[] = [];
      for await (const object of unused()) {
        count++;
        bytes += object.size;
        if (ids.length < 100) ids.push(object.key);
      }
      const among = `the ${cut ? "first " : ""}${counted(looked, "object")} of attempts and documents`;
      if (count === 0) return [{ level: "ok", code: "OK", message: `none among ${among}` }];
      return [
        {
          level: "warn",
          code: "OBJECTS_LEFT",
          message: `${counted(count, "object")} (${size(bytes)}) among ${among} ${agree(count, "is", "are")} older than a day and named by nothing`,
          advice: `They cost space and nothing else. ${repairHint}`,
          count,
          ids,
          mendable: true,
        },
      ];
    },

    async repair() {
      const removed: string[] = [];
      for await (const batch of inBatches(unused(), REMOVED_AT_ONCE)) {
        if (removed.length >= MAX_REMOVED) break;
        // First the record, then the act: an object that the store refuses to remove is found again.
        const keys = await mend({ action: "storage.remove_leftover", resourceType: "object" }, (tx) =>
          unusedKeys(tx, batch),
        );
        const gone = await Promise.allSettled(keys.map((key) => store().delete(key)));
        removed.push(...keys.filter((_, i) => gone[i]?.status === "fulfilled"));
      }
      if (removed.length === 0) return [];
      const message = `${counted(removed.length, "object")} removed that nothing named`;
      return [{ code: "OBJECTS_LEFT", message, count: removed.length, ids: removed.slice(0, 100) }];
    },
  };
}

async function* inBatches<T>(items: AsyncIterable<T>, length: number): AsyncGenerator<T[]> {
  let batch: T[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < length) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
