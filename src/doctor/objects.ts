import type { Sql } from "../db/sql.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import type { Check, Finding } from "./model.ts";
import { type ObjectUse, objectsOf } from "./object-queries.ts";
import type { JobScope } from "./scope.ts";
import { agree, counted } from "./words.ts";

export interface ObjectsDeps {
  readonly sql: Sql;
  readonly store: () => ObjectStore;
  readonly scope: JobScope;
  /** At most so many objects are looked for. */
  readonly limit: number;
}

const AT_ONCE = 8;
const KEPT_IDS = 100;

const NEEDS: Readonly<Record<ObjectUse["kind"], string>> = {
  document: "documents of jobs",
  result: "results",
  checkpoint: "checkpoints of jobs",
};

/** Are the objects there that rows name, in the size that they had? */
export function objectsCheck({ sql, store, scope, limit }: ObjectsDeps): Check {
  const isBroken = async ({ key, sizeBytes }: ObjectUse): Promise<boolean> => {
    const found = await store().head(key);
    return found === null || (sizeBytes !== null && found.size !== sizeBytes);
  };

  /** Without those whose row went while we looked, as a job that is deleted or completes takes its objects along. */
  const stillBroken = async (uses: readonly ObjectUse[]): Promise<ObjectUse[]> => {
    if (uses.length === 0) return [];
    const now = await objectsOf(sql, [...new Set(uses.map(({ jobId }) => jobId))]);
    const keys = new Set(uses.map(({ key }) => key));
    return await filterAsync(
      now.filter(({ key }) => keys.has(key)),
      isBroken,
    );
  };

  return {
    name: "objects",
    needs: ["schema", "storage"],
    async run() {
      const broken: ObjectUse[] = [];
      let looked = 0;
      for await (const page of scope.pages()) {
        const uses = (await objectsOf(sql, page)).slice(0, limit - looked);
        looked += uses.length;
        broken.push(...(await stillBroken(await filterAsync(uses, isBroken))));
        if (looked >= limit) break;
      }
      if (broken.length > 0) return findingsOf(broken);
      const sample =
        looked >= limit ? `the first ${looked.toLocaleString("en")} objects` : counted(looked, "object");
      return [{ level: "ok", code: "OK", message: `${sample}, all there, of ${await scope.told()}` }];
    },
  };
}

function findingsOf(broken: readonly ObjectUse[]): Finding[] {
  return [...Map.groupBy(broken, ({ kind }) => kind)].map(([kind, uses]) => ({
    level: "fault",
    code: `${kind.toUpperCase()}_OBJECT_MISSING`,
    message: `${counted(uses.length, "object")} with ${NEEDS[kind]} ${agree(uses.length, "is", "are")} missing in the object store or of another size than stored`,
    advice:
      "Restore the folder of files from a backup. If it is not mounted, or SLUICE_STORAGE_URL names another one, correct that. Else submit the documents of these jobs again.",
    count: uses.length,
    ids: [...new Set(uses.map(({ jobId }) => jobId))].slice(0, KEPT_IDS),
  }));
}

async function filterAsync<T>(items: readonly T[], keep: (item: T) => Promise<boolean>): Promise<T[]> {
  const kept: T[] = [];
  for (let at = 0; at < items.length; at += AT_ONCE) {
    const some = items.slice(at, at + AT_ONCE);
    const answers = await Promise.all(some.map(keep));
    kept.push(...some.filter((_, i) => answers[i]));
  }
  return kept;
}
