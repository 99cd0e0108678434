import { readFile } from "node:fs/promises";
import { applyOutcome, readOutcome } from "../outcome.ts";
import { StageFailure, type WorkingDocument } from "../stage.ts";

/**
 * What the answer of a service, in a file, changes in the document; an empty one nothing. Runs in a document process.
 * @throws StageFailure SERVICE_REFUSED when it is not JSON of the form that is wanted
 */
export async function takeAnswer(
  document: WorkingDocument,
  { answerPath, stage }: { answerPath: string; stage: string },
): Promise<Partial<WorkingDocument>> {
  const body = await readFile(answerPath, "utf8");
  if (body.trim() === "") return {};
  const outcome = readOutcome(parse(body, stage));
  if (typeof outcome === "string") throw unusable(stage, outcome);
  return applyOutcome(document, outcome, stage);
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
    `The answer of the service of stage ${stage} cannot be used: ${why}. Answer with a JSON object of \`text\` or \`blocks\`, and \`metadata\`; all may be left out.`,
    false,
  );
}
