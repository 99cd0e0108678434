import { type DescMessage, fromJson, type JsonObject, type JsonValue, toJson } from "@bufbuild/protobuf";
import {
  type CreatePipelineRequest,
  CreatePipelineRequestSchema,
  type Pipeline,
  type PipelineConfig,
  PipelineConfigSchema,
} from "@sluice/sdk";
import { parse, stringify } from "yaml";
import { CliError } from "./context.ts";
import { fileFailure, readStart } from "./files.ts";

/** A request takes no more. */
const MAX_BYTES = 4 * 1024 * 1024;
/** What stands for a secret that is sent: nobody can tell whether it is another one. */
const SECRET = "(sent anew; what is stored is never shown)";

/**
 * A pipeline in a file, YAML or JSON: `name`, `description`, `is_active` and `stages`, as `CreatePipelineRequest` has them
 * in its JSON form. Values of enums may be written short, as `headings`; a stage without options as its name alone.
 * @throws CliError with what is wrong with the file
 */
export async function readPipelineFile(path: string): Promise<CreatePipelineRequest> {
  let text: string;
  try {
    text = await readStart(path, MAX_BYTES + 1);
  } catch (error) {
    throw new CliError(`${path}: ${fileFailure(error)}.`);
  }
  if (Buffer.byteLength(text) > MAX_BYTES) throw new CliError(`${path}: it is larger than 4 MiB.`);
  try {
    const request = fromJson(CreatePipelineRequestSchema, requestOf(parse(text)));
    for (const stage of request.config?.stages ?? []) stage.name ||= stage.type.case ?? "";
    return request;
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new CliError(`${path}: ${said.replace(/ from JSON: /, ": ").trim()}`);
  }
}

function requestOf(content: unknown): JsonValue {
  if (content === null || typeof content !== "object" || Array.isArray(content))
    throw new Error("it must hold name, description and stages.");
  const { stages, config, ...rest } = content as { [key: string]: JsonValue | undefined };
  if ((stages === undefined) === (config === undefined)) throw new Error("it must hold `stages`.");
  const list = stages ?? (config as { stages?: JsonValue } | null)?.stages;
  if (!Array.isArray(list)) throw new Error("`stages` must be a list.");
  const request = { ...rest, config: { ...(config as JsonObject | undefined), stages: list.map(stageOf) } };
  return inFull(CreatePipelineRequestSchema, request as JsonObject);
}

/** `detect`, and `detect:` with nothing behind it, are a stage with its defaults. */
function stageOf(stage: JsonValue): JsonValue {
  if (typeof stage === "string") return { [stage]: {} };
  if (stage === null || typeof stage !== "object" || Array.isArray(stage)) return stage;
  return Object.fromEntries(Object.entries(stage).map(([key, value]) => [key, value ?? {}]));
}

/** With the names of enum values in full, as the contract's JSON has them. */
function inFull(message: DescMessage, value: JsonObject): JsonObject {
  const fields = new Map(
    message.fields.flatMap((field) => [
      [field.name, field],
      [field.jsonName, field],
    ]),
  );
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const field = fields.get(key);
      const each = (one: JsonValue): JsonValue => {
        if (field?.enum && typeof one === "string") return enumName(field.enum.sharedPrefix ?? "", one);
        const nested = field?.message && !field.message.typeName.startsWith("google.protobuf.");
        return nested && one !== null && typeof one === "object" && !Array.isArray(one)
          ? inFull(field.message as DescMessage, one)
          : one;
      };
      return [key, Array.isArray(inner) ? inner.map(each) : each(inner)];
    }),
  );
}

function enumName(sharedPrefix: string, name: string): string {
  const prefix = sharedPrefix.toUpperCase();
  const full = name.toUpperCase();
  return full.startsWith(prefix) ? full : `${prefix}${full}`;
}

/** A pipeline as the text of a file that `readPipelineFile` reads, but for secrets, of which only those that are sent show. */
export function pipelineText(
  pipeline: Pick<Pipeline, "name" | "description" | "isActive"> & { config?: PipelineConfig | undefined },
): string {
  const config = pipeline.config
    ? (toJson(PipelineConfigSchema, pipeline.config, { useProtoFieldName: true }) as JsonObject)
    : {};
  const stages = (config.stages ?? []) as { [key: string]: JsonValue }[];
  return stringify({
    name: pipeline.name,
    ...(pipeline.description ? { description: pipeline.description } : {}),
    is_active: pipeline.isActive,
    stages: stages.map(withoutSecret),
  });
}

function withoutSecret(stage: { [key: string]: JsonValue }): { [key: string]: JsonValue } {
  const hide = (type: string, option: string): { [key: string]: JsonValue } => {
    const options = stage[type] as JsonObject | undefined;
    return options?.[option] ? { [type]: { ...options, [option]: SECRET } } : {};
  };
  return { ...stage, ...hide("extract", "password"), ...hide("http", "secret") };
}
