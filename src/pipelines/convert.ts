import { fromJson, type JsonValue, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type PipelineConfig,
  PipelineConfigSchema,
  type PipelineSchema,
} from "../../gen/sluice/v1/pipelines_pb.ts";
import { timestampOf } from "../lib/wire-time.ts";
import type { Pipeline, StageConfig } from "./model.ts";

const seconds = (ms: number): string => `${ms / 1000}s`;

/** A stage in the JSON form of the contract: its options stand under the name of its type. */
function stageToJson(stage: StageConfig): JsonValue {
  const { retry } = stage;
  return {
    name: stage.name,
    [stage.type]: stage.options,
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

/** The stages as a message. */
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
