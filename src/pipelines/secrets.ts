import type { SecretBox } from "../lib/secret-box.ts";
import { SECRET_OPTION, type StageConfig, type StageDraft } from "./model.ts";

/** A secret opens only for the stage, of the pipeline, for which it was sealed. */
const contextOf = (pipelineId: string, { type, name }: Pick<StageConfig, "type" | "name">): string =>
  `${pipelineId}/${type}/${name}`;

/**
 * Stages as they are stored. One that brings no secret keeps the one of the stage of the same name and type in
 * `before`, the stages of the version that is replaced.
 */
export function sealStages(
  box: SecretBox,
  pipelineId: string,
  drafts: readonly StageDraft[],
  before: readonly StageConfig[] = [],
): StageConfig[] {
  return drafts.map(({ secret, ...stage }) => {
    const kept = before.find(({ name, type }) => name === stage.name && type === stage.type)?.sealedSecret;
    if (secret === undefined || !(stage.type in SECRET_OPTION))
      return kept === undefined ? stage : { ...stage, sealedSecret: kept };
    return { ...stage, sealedSecret: box.seal(secret, contextOf(pipelineId, stage)).toString("base64") };
  });
}

/**
 * The secret of a stage; undefined when it has none.
 * @throws Error when it was sealed under another master key
 */
export function openSecret(box: SecretBox, pipelineId: string, stage: StageConfig): string | undefined {
  if (stage.sealedSecret === undefined) return undefined;
  return box.open(Buffer.from(stage.sealedSecret, "base64"), contextOf(pipelineId, stage)).toString();
}
