import type { Block } from "../extract/model.ts";
import type { WorkingDocument } from "./stage.ts";

/** The changes of a stage that gives the document another text: chunks that were cut before are none of it, and go. */
export function withBlocks(
  document: WorkingDocument,
  blocks: Block[],
  stage: string,
): Partial<WorkingDocument> {
  if (document.chunks === undefined) return { blocks };
  const message = `Stage ${stage} has changed the text behind the chunk stage, so the chunks were left out. Put chunk behind ${stage}.`;
  return {
    blocks,
    chunks: [],
    warnings: [...document.warnings, { code: "CHUNKS_LEFT_OUT", message }],
  };
}
