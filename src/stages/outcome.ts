import { z } from "zod";
import { textBlocks } from "../extract/formats/text-blocks.ts";
import type { Json } from "../extract/model.ts";
import { blocksSchema } from "./block-schema.ts";
import type { WorkingDocument } from "./stage.ts";

const MAX_METADATA_BYTES = 64 * 1024;

/** What a service, or a stage of the operator's, may say about a document; all of it may be left out. */
const outcomeSchema = z
  .strictObject({
    /** Plain text in place of the document's; paragraphs and lists are found in it. */
    text: z.string().optional(),
    /** Blocks in place of the document's. */
    blocks: blocksSchema.optional(),
    /** Goes into the metadata of the result, as `facts.stages.<name of the stage>`. */
    metadata: z
      .record(z.string(), z.json())
      .refine(
        (value) => Buffer.byteLength(JSON.stringify(value)) <= MAX_METADATA_BYTES,
        "Must have at most 64 KiB.",
      )
      .optional(),
  })
  .refine(
    ({ text, blocks }) => text === undefined || blocks === undefined,
    "Must hold text or blocks, not both.",
  );

export type Outcome = z.output<typeof outcomeSchema>;

/** What it changes in the document. Chunks that were cut before are none of another text, and go with a warning. */
export function applyOutcome(
  document: WorkingDocument,
  { text, blocks: given, metadata }: Outcome,
  stage: string,
): Partial<WorkingDocument> {
  const changes: Partial<WorkingDocument> = {};
  const blocks = given ?? (text === undefined ? undefined : textBlocks(text.replace(/\r\n?/g, "\n")));
  if (blocks !== undefined) changes.blocks = blocks;
  if (blocks !== undefined && document.chunks !== undefined) {
    changes.chunks = [];
    const message = `Stage ${stage} has changed the text behind the chunk stage, so the chunks were left out. Put chunk behind ${stage}.`;
    changes.warnings = [...document.warnings, { code: "CHUNKS_LEFT_OUT", message }];
  }
  if (metadata !== undefined) {
    const stages = { ...(document.facts.stages as { [name: string]: Json } | undefined), [stage]: metadata };
    changes.facts = { ...document.facts, stages };
  }
  return changes;
}

/**
 * The value as what a service or a stage says; or a sentence, without its full stop, of why it cannot be used.
 */
export function readOutcome(value: unknown): Outcome | string {
  try {
    const { success, data, error } = outcomeSchema.safeParse(value);
    return success ? data : sentenceOf(error);
  } catch (error) {
    // The check follows the nesting of values on the stack.
    if (error instanceof RangeError) return "it nests too deep";
    throw error;
  }
}

/** The first faults of a value, each with its path. */
function sentenceOf({ issues }: z.ZodError): string {
  return issues
    .slice(0, 5)
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join(".")}: ${message}`))
    .join("; ")
    .replace(/\.$/, "");
}
