import {
  create,
  fromJson,
  type JsonObject,
  type JsonValue,
  type MessageInitShape,
  toJson,
} from "@bufbuild/protobuf";
import {
  OnFailure,
  type PipelineConfig,
  PipelineConfigSchema,
  type PipelineSchema,
  type RetryPolicy as RetryMessage,
  type Stage,
  StageSchema,
} from "../../gen/sluice/v1/pipelines_pb.ts";
import type { Json } from "../extract/model.ts";
import type { FieldFault } from "../lib/errors.ts";
import { millisecondsOf, type TimestampFields, timestampOf } from "../lib/wire-time.ts";
import type { RequestValidator } from "../rpc/validation.ts";
import { createStructCheck } from "./json-bounds.ts";
import {
  type Pipeline,
  type RetryPolicy,
  SECRET_OPTION,
  type StageConfig,
  type StageDraft,
} from "./model.ts";

const seconds = (ms: number): string => `${ms / 1000}s`;
/** Seconds of a `Duration` at the most, as protobuf defines it. */
const MAX_SECONDS = 315_576_000_000n;

/** A stage in the JSON form of the contract: its options stand under the name of its type. */
function stageToJson(stage: StageConfig): JsonValue {
  const { retry } = stage;
  return {
    name: stage.name,
    [stage.type]: stage.options,
    ...(stage.when === undefined ? {} : { when: stage.when }),
    ...(stage.timeoutMs === undefined ? {} : { timeout: seconds(stage.timeoutMs) }),
    ...(stage.onFailure === undefined ? {} : { on_failure: `ON_FAILURE_${stage.onFailure}` }),
    ...(retry === undefined
      ? {}
      : {
          retry: {
            max_attempts: retry.maxAttempts ?? 0,
            multiplier: retry.multiplier ?? 0,
            ...(retry.initialBackoffMs === undefined
              ? {}
              : { initial_backoff: seconds(retry.initialBackoffMs) }),
            ...(retry.maxBackoffMs === undefined ? {} : { max_backoff: seconds(retry.maxBackoffMs) }),
          },
        }),
  };
}

/** The stages as a message; of secrets there is nothing in it. */
export function configToMessage(stages: readonly StageConfig[]): PipelineConfig {
  return fromJson(PipelineConfigSchema, { stages: stages.map(stageToJson) });
}

export function pipelineToMessage(pipeline: Pipeline): MessageInitShape<typeof PipelineSchema> {
  return {
    id: pipeline.id,
    name: pipeline.name,
    description: pipeline.description,
    config: configToMessage(pipeline.stages),
    isActive: pipeline.isActive,
    version: pipeline.version,
    createdBy: pipeline.createdBy ?? "",
    createTime: timestampOf(pipeline.createTime),
    updateTime: timestampOf(pipeline.updateTime),
  };
}

/**
 * The stages of a definition, and what breaks the rules of the contract in it, each fault with its path from the
 * request down. What is at fault is left out of the stages, so that the rest can be checked too.
 */
export function configFromMessage(
  config: PipelineConfig | undefined,
  validator: Pick<RequestValidator, "faults">,
): { stages: StageDraft[]; faults: FieldFault[] } {
  if (!config) return { stages: [], faults: [{ field: "config", description: "value is required" }] };
  const faults = validator
    .faults(PipelineConfigSchema, config)
    .map(({ field, description }) => ({ field: field ? `config.${field}` : "config", description }));
  const structFault = createStructCheck();
  const stages = config.stages.map((stage, index) =>
    stageFromMessage(stage, `config.stages[${index}]`, faults, structFault),
  );
  return { stages, faults };
}

/** A stage without a type, which is a fault, keeps its place with an empty one. */
function stageFromMessage(
  stage: Stage,
  at: string,
  faults: FieldFault[],
  structFault: (value: unknown) => string | null,
): StageDraft {
  const type = stage.type.case ?? "";
  const secret = secretOf(stage);
  const timeoutMs = durationMs(stage.timeout, `${at}.timeout`, faults);
  const retry = stage.retry && retryFromMessage(stage.retry, `${at}.retry`, faults);
  return {
    name: stage.name || type,
    type,
    options: type === "" ? {} : optionsOf(stage, `${at}.${type}`, faults, structFault),
    ...(stage.when === "" ? {} : { when: stage.when }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(retry === undefined ? {} : { retry }),
    ...(stage.onFailure === OnFailure.SKIP ? { onFailure: "SKIP" as const } : {}),
    ...(stage.onFailure === OnFailure.FAIL ? { onFailure: "FAIL" as const } : {}),
    ...(secret === "" ? {} : { secret }),
  };
}

/** The options in the JSON form of the contract, by the names of its fields, without the secret. */
function optionsOf(
  stage: Stage,
  at: string,
  faults: FieldFault[],
  structFault: (value: unknown) => string | null,
): { [key: string]: Json } {
  const value: JsonObject & { timeout?: unknown; options?: unknown } = {
    ...(stage.type.value as unknown as JsonObject),
  };
  if (
    value.timeout &&
    durationMs(value.timeout as unknown as TimestampFields, `${at}.timeout`, faults) === undefined
  )
    delete value.timeout;
  const why = stage.type.case === "custom" ? structFault(stage.type.value.options) : null;
  if (why !== null) {
    faults.push({ field: `${at}.options`, description: why });
    delete value.options;
  }
  const whole = create(StageSchema, { type: { case: stage.type.case, value } as never });
  const { [stage.type.case as string]: options } = toJson(StageSchema, whole, {
    useProtoFieldName: true,
  }) as { [type: string]: { [key: string]: Json } };
  const secret = SECRET_OPTION[stage.type.case as string];
  const { [secret ?? ""]: _, ...rest } = options ?? {};
  return rest;
}

function secretOf({ type }: Stage): string {
  if (type.case === "extract") return type.value.password;
  return type.case === "http" ? type.value.secret : "";
}

function retryFromMessage(retry: RetryMessage, at: string, faults: FieldFault[]): Partial<RetryPolicy> {
  const initialBackoffMs = durationMs(retry.initialBackoff, `${at}.initial_backoff`, faults);
  const maxBackoffMs = durationMs(retry.maxBackoff, `${at}.max_backoff`, faults);
  return {
    ...(retry.maxAttempts === 0 ? {} : { maxAttempts: retry.maxAttempts }),
    ...(initialBackoffMs === undefined ? {} : { initialBackoffMs }),
    ...(maxBackoffMs === undefined ? {} : { maxBackoffMs }),
    ...(retry.multiplier === 0 ? {} : { multiplier: retry.multiplier }),
  };
}

/** In milliseconds; undefined when unset, or when it is no duration, which is then a fault. */
function durationMs(
  duration: TimestampFields | undefined,
  field: string,
  faults: FieldFault[],
): number | undefined {
  if (!duration) return undefined;
  const { seconds: whole, nanos } = duration;
  const good =
    whole >= -MAX_SECONDS &&
    whole <= MAX_SECONDS &&
    Math.abs(nanos) < 1e9 &&
    (whole === 0n || nanos === 0 || whole > 0n === nanos > 0);
  if (good) return millisecondsOf(duration) ?? undefined;
  faults.push({ field, description: "Not a duration." });
  return undefined;
}
