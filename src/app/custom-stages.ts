import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../config.ts";
import type { StageType } from "../stages/catalogue.ts";
import { describeCustomStages } from "../stages/custom/describe.ts";
import { placeOfStore } from "../storage/create-store.ts";
import type { StartOptions } from "./start.ts";

/** The operator's stages, read before anything depends on them. */
export async function customStages({ config, stages: modules = [] }: StartOptions): Promise<StageType[]> {
  if (modules.length === 0) return [];
  const folder = join(config.dataDir, "tmp");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // Of its own: other processes may have documents in the folder. Named as `removeLeftovers` knows it.
  const tempDir = await mkdtemp(join(folder, `${process.pid}-stages-`));
  try {
    return await describeCustomStages({
      modules,
      closedPaths: closedPaths(config),
      tempDir,
      path: config.path,
    });
  } finally {
    await rm(tempDir, { recursive: true, force: true });
  }
}

/** What holds keys and documents: no stage of the operator's reads it, wherever its module lies. */
export function closedPaths({ dataDir, storageUrl, secretFiles }: Config): string[] {
  const place = placeOfStore(storageUrl);
  return [dataDir, ...("folder" in place ? [place.folder] : []), ...secretFiles];
}
