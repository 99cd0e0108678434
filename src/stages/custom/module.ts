import { pathToFileURL } from "node:url";
import { renderText } from "../../extract/render.ts";
import { resultMetadata } from "../host/result-metadata.ts";
import { applyOutcome, readOutcome } from "../outcome.ts";
import { type Stage, type StageContext, StageFailure, type WorkingDocument } from "../stage.ts";
import type { CustomStageFacts } from "./types.ts";

/** A stage as a module exports it: `CustomStage` of `@sluice/sdk`. */
interface Exported {
  readonly name: string;
  readonly version: number;
  readonly description: string;
  readonly optionsSchema?: CustomStageFacts["optionsSchema"];
  run(input: unknown, context: unknown): unknown;
}

const NAME = /^[a-z][a-z0-9_-]{0,62}$/;
const MAX_STAGES = 100;
const MAX_SCHEMA_BYTES = 64 * 1024;

export interface LoadedStage {
  readonly facts: CustomStageFacts;
  readonly stage: Stage;
}

/**
 * Loads a module of the operator's: its export `stages`, or its default one, a stage or a list of them. Runs in a document
 * process.
 * @throws Error with a sentence that names the file and what is wrong in it
 */
export async function loadCustomModule(file: string): Promise<LoadedStage[]> {
  let module: { stages?: unknown; default?: unknown };
  try {
    module = (await import(pathToFileURL(file).href)) as typeof module;
  } catch (error) {
    throw new Error(`${file} cannot be loaded: ${error instanceof Error ? error.message : String(error)}`);
  }
  const exported = module.stages ?? module.default;
  const stages: unknown[] = Array.isArray(exported) ? exported : exported === undefined ? [] : [exported];
  if (stages.length === 0 || stages.length > MAX_STAGES)
    throw new Error(`${file} must export \`stages\`, a list of 1 to ${MAX_STAGES} stages.`);
  return stages.map((value, index) => {
    const fault = faultOf(value);
    if (fault !== null) throw new Error(`${file}: stages[${index}] ${fault}.`);
    const { name, version, description, optionsSchema, run } = value as Exported;
    const facts = { file, name, version, description, optionsSchema };
    return { facts, stage: stageOf(facts, run.bind(value)) };
  });
}

/** What is wrong with it, to follow its place; null when nothing is. */
function faultOf(value: unknown): string | null {
  if (value === null || typeof value !== "object") return "is no object";
  const { name, version, description, optionsSchema, run } = value as { [key in keyof Exported]: unknown };
  if (typeof name !== "string" || !NAME.test(name))
    return "needs a `name` of lower-case letters, digits, `-` and `_`, a letter first, of up to 63 characters";
  if (!Number.isSafeInteger(version) || Number(version) < 1 || Number(version) > 0x7fffffff)
    return `(${name}) needs a \`version\`, a whole number from 1; count it up when the output changes`;
  if (typeof description !== "string" || description === "" || description.length > 500)
    return `(${name}) needs a \`description\` of up to 500 characters`;
  if (typeof run !== "function") return `(${name}) needs a function \`run\``;
  if (optionsSchema === undefined) return null;
  return isSmallJson(optionsSchema)
    ? null
    : `(${name}) has an \`optionsSchema\` that is no JSON object of up to 64 KiB`;
}

function isSmallJson(value: unknown): boolean {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return false;
  try {
    return Buffer.byteLength(JSON.stringify(value)) <= MAX_SCHEMA_BYTES;
  } catch {
    return false;
  }
}

function stageOf({ name, version, description }: CustomStageFacts, run: Exported["run"]): Stage {
  return {
    type: name,
    version,
    description,
    // Checked where pipelines are planned, by the schema.
    parseOptions: (raw) => raw,
    async run(document, context) {
      const { signal, progress, log } = context;
      const returned = await attempt(context.stage, () =>
        run(inputOf(document, context), { signal, progress, log }),
      );
      const outcome = readOutcome(returned ?? {});
      if (typeof outcome !== "string") return applyOutcome(document, outcome, context.stage);
      throw new StageFailure(
        "STAGE_FAILED",
        `Stage ${context.stage} returned what cannot be used: ${outcome}.`,
        false,
      );
    },
  };
}

const FAULTS: ReadonlySet<string> = new Set(["StageFailure", "DocumentFault"]);

/** What the stage throws; an error with `retryable: true` is worth another run, faults say themselves what they are. */
async function attempt(stage: string, work: () => unknown): Promise<unknown> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Error) || (error as { retryable?: unknown }).retryable !== true) throw error;
    if (FAULTS.has(error.name)) throw error;
    throw new StageFailure("STAGE_FAILED", `Stage ${stage} failed: ${error.message}`, true);
  }
}

function inputOf(document: WorkingDocument, { options, sourcePath }: StageContext<unknown>) {
  const { source, mediaType, blocks = [], chunks = [] } = document;
  return {
    options,
    document: {
      filename: source.filename,
      mediaType: mediaType ?? source.declaredMediaType,
      sizeBytes: source.sizeBytes,
      sha256: source.sha256,
      path: sourcePath,
    },
    text: renderText(blocks).text,
    blocks,
    chunks,
    metadata: resultMetadata(document),
  };
}
