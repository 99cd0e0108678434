import { readFile } from "node:fs/promises";
import { z } from "zod";
import { textBlocks } from "../../extract/formats/text-blocks.ts";
import type { Json } from "../../extract/model.ts";
import { blocksSchema, sentenceOf } from "../block-schema.ts";
import { withBlocks } from "../new-text.ts";
import { StageFailure, type WorkingDocument } from "../stage.ts";

const MAX_METADATA_BYTES = 64 * 1024;

const Answer = z
  .strictObject({
    /** Plain text in place of the document's; paragraphs and lists are found in it. */
    text: z.string().optional(),
    /** Blocks in place of the document's. */
    blocks: blocksSchema.optional(),
    /** Goes into the metadata of the result, as `facts.services.<name of the stage>`. */
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

/**
 * What the answer of a service, in a file, changes in the document. Nothing in an empty file. Runs in a document process.
 * @throws StageFailure SERVICE_REFUSED when it is not JSON of the form that is wanted
 */
export async function takeAnswer(
  document: WorkingDocument,
  { answerPath, stage }: { answerPath: string; stage: string },
): Promise<Partial<WorkingDocument>> {
  const body = await readFile(answerPath, "utf8");
  if (body.trim() === "") return {};
  const { success, data, error } = Answer.safeParse(parse(body, stage));
  if (!success) throw unusable(stage, sentenceOf(error));
  const blocks =
    data.blocks ?? (data.text === undefined ? undefined : textBlocks(data.text.replace(/\r\n?/g, "\n")));
  const services = {
    ...(document.facts.services as { [name: string]: Json } | undefined),
    [stage]: data.metadata as Json,
  };
  return {
    ...(blocks === undefined ? {} : withBlocks(document, blocks, stage)),
    ...(data.metadata === undefined ? {} : { facts: { ...document.facts, services } }),
  };
}

function parse(body: string, stage: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw unusable(stage, "it is not JSON");
  }
}

function unusable(stage: string, why: string): StageFailure {
  return new StageFailure(
    "SERVICE_REFUSED",
    `The answer of the service of stage ${stage} cannot be used: ${why.replace(/\.$/, "")}. Answer with a JSON object of \`text\` or \`blocks\`, and \`metadata\`; all may be left out.`,
    false,
  );
}
