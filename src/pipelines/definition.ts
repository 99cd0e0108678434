import type { FieldFault } from "../lib/errors.ts";
import { isBrokenSecret } from "../lib/standard-webhooks.ts";
import { isStorable } from "../lib/storable.ts";
import type { StageCatalogue } from "../stages/catalogue.ts";
import { conditionFault } from "../stages/condition.ts";
import { StageOptionsError } from "../stages/stage.ts";
import { MAX_DEFINITION_BYTES } from "./json-bounds.ts";
import { DEFAULT_RETRY, type StageDraft } from "./model.ts";
import { orderFaults } from "./order.ts";
import { type PatternBudget, patternFaults } from "./patterns.ts";

const MIN_TIMEOUT_MS = 1_000;
const DAY_MS = 24 * 60 * 60_000;
const HOUR_MS = 60 * 60_000;

/**
 * All that is wrong with a list of stages beyond the rules of the contract, each fault with the path of its field in
 * `CreatePipelineRequest`. A definition without faults can be stored and, where its stages are built, run.
 */
export function definitionFaults(stages: readonly StageDraft[], catalogue: StageCatalogue): FieldFault[] {
  const spent: PatternBudget = { states: 0, characters: 0 };
  const faults = stages.flatMap((stage, index) => {
    const at = `config.stages[${index}]`;
    return [
      ...storableFaults(stage, at),
      ...conditionFaults(stage, at),
      ...timeFaults(stage, at),
      ...optionFaults(stage, at, catalogue),
      ...secretFaults(stage, at),
      ...redactFaults(stage, at, spent),
    ];
  });
  const bytes = Buffer.byteLength(JSON.stringify(stages));
  const large =
    bytes > MAX_DEFINITION_BYTES
      ? [{ field: "config", description: "Must have at most 256 KiB as JSON." }]
      : [];
  return [...faults, ...nameFaults(stages), ...orderFaults(stages), ...large];
}

function storableFaults(stage: StageDraft, at: string): FieldFault[] {
  if (isStorable(unescaped(stage))) return [];
  return [{ field: at, description: "Must not contain U+0000 or half of a surrogate pair." }];
}

/** Every key and string of a value, one after another. */
function unescaped(value: unknown): string {
  if (typeof value === "string") return value;
  if (value === null || typeof value !== "object") return "";
  return Object.entries(value)
    .map(([key, inner]) => `${key} ${unescaped(inner)}`)
    .join(" ");
}

function conditionFaults(stage: StageDraft, at: string): FieldFault[] {
  if (!stage.when) return [];
  const description =
    stage.type === "fetch"
      ? "The fetch stage always runs: there is nothing to decide by before it. Put the condition on a later stage."
      : conditionFault(stage.when);
  return description === null ? [] : [{ field: `${at}.when`, description }];
}

function timeFaults({ timeoutMs, retry, onFailure, type }: StageDraft, at: string): FieldFault[] {
  const faults: FieldFault[] = [];
  const add = (field: string, description: string): void => {
    faults.push({ field: `${at}.${field}`, description });
  };
  if (timeoutMs !== undefined && (timeoutMs < MIN_TIMEOUT_MS || timeoutMs > DAY_MS))
    add("timeout", "Must be from 1 second to 24 hours.");
  if (type === "fetch" && onFailure === "SKIP")
    add("on_failure", "The fetch stage cannot be skipped: without the source there is nothing to work on.");
  if (!retry) return faults;
  const { initialBackoffMs: first, maxBackoffMs: most, multiplier } = { ...DEFAULT_RETRY, ...retry };
  if (first < 1 || first > HOUR_MS) add("retry.initial_backoff", "Must be more than 0 and at most 1 hour.");
  if (most < 1 || most > DAY_MS) add("retry.max_backoff", "Must be more than 0 and at most 24 hours.");
  else if (first <= HOUR_MS && most < first)
    add("retry.max_backoff", "Must not be less than initial_backoff, which is 1 second unless it is set.");
  if (!(multiplier >= 1 && multiplier <= 10)) add("retry.multiplier", "Must be from 1 to 10, or 0 for 2.");
  return faults;
}

function optionFaults(stage: StageDraft, at: string, catalogue: StageCatalogue): FieldFault[] {
  if (stage.type !== "custom")
    return parseFaults(catalogue.find(stage.type), stage.options, `${at}.${stage.type}`);
  const { type, options } = stage.options as { type?: string; options?: unknown };
  const kind = catalogue.findCustom(type ?? "");
  if (kind) return parseFaults(kind, options ?? {}, `${at}.custom.options`);
  const description = type
    ? `No stage type ${type} is registered here. ListStageTypes shows those there are.`
    : "Name the registered type.";
  return [{ field: `${at}.custom.type`, description }];
}

function parseFaults(kind: ReturnType<StageCatalogue["find"]>, options: unknown, at: string): FieldFault[] {
  try {
    kind?.parseOptions(options);
    return [];
  } catch (error) {
    if (!(error instanceof StageOptionsError)) throw error;
    return error.faults.map(({ field, description }) => ({
      field: field === "" ? at : `${at}.${field.replace(/\.(\d+)(?=\.|$)/g, "[$1]")}`,
      description,
    }));
  }
}

function secretFaults({ type, secret = "" }: StageDraft, at: string): FieldFault[] {
  if (type !== "http" || !isBrokenSecret(secret)) return [];
  const description =
    "Behind whsec_ there must be at least 6 bytes in base64; a secret of any other form is taken as it is.";
  return [{ field: `${at}.http.secret`, description }];
}

function redactFaults(stage: StageDraft, at: string, spent: PatternBudget): FieldFault[] {
  if (stage.type !== "redact") return [];
  const { patterns } = stage.options;
  if (!Array.isArray(patterns)) return [];
  return patternFaults(patterns.map(String), spent).flatMap((description, index) =>
    description === null ? [] : [{ field: `${at}.redact.patterns[${index}]`, description }],
  );
}

function nameFaults(stages: readonly StageDraft[]): FieldFault[] {
  return stages.flatMap(({ name }, index) => {
    const first = stages.findIndex((stage) => stage.name === name);
    // What has neither name nor type is at fault for that.
    if (first === index || name === "") return [];
    const description = `The name ${name} is that of stages[${first}] too. Names are unique, and a stage without one has that of its type.`;
    return [{ field: `config.stages[${index}].name`, description }];
  });
}
