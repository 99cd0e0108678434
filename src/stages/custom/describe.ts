import { existsSync } from "node:fs";
import type { StageType } from "../catalogue.ts";
import { startProcess } from "../host/document-process.ts";
import { findSandbox } from "../host/sandbox.ts";
import { CustomStagesError, customStageTypes } from "./types.ts";

const HEAP_MB = 256;

/**
 * The types of stages in the modules of the operator's, asked of a document process that loads them and ends.
 * @param options.tempDir an existing folder
 * @param options.closedPaths what the modules must not read although it may lie beside them
 * @throws CustomStagesError that names the file and what is wrong in it
 */
export async function describeCustomStages(options: {
  modules: readonly string[];
  closedPaths: readonly string[];
  tempDir: string;
  path: string;
}): Promise<StageType[]> {
  const { modules: customModules, closedPaths, tempDir, path } = options;
  if (customModules.length === 0) return [];
  for (const file of customModules) {
    if (!existsSync(file))
      throw new CustomStagesError(`The module ${file} of --stages is not there. Correct its path.`);
  }
  const sandbox = await findSandbox(path);
  try {
    const child = await startProcess({
      sandbox,
      tempDir,
      customModules,
      closedPaths,
      path,
      warmUp: false,
      oldSpaceMb: HEAP_MB,
    });
    await child.kill();
    return customStageTypes(child.customStages);
  } catch (error) {
    if (error instanceof CustomStagesError) throw error;
    throw new CustomStagesError(
      `The stages of --stages cannot be used. ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
