import { newEvent } from "../jobs/job-events.ts";
import type { JobError } from "../jobs/model.ts";
import type { PlannedStage } from "../pipelines/plan.ts";
import type { RestoredStage, StageReport } from "../pipelines/runner.ts";

/** What happened between two stages, or before the first and after the last. */
export interface PipelineStep {
  readonly ended: StageReport | null;
  /** Why the ended stage failed, or was skipped for having failed. */
  readonly error: JobError | null;
  readonly started: PlannedStage | null;
  readonly restored: readonly RestoredStage[];
  readonly stagesTotal: number;
  /** Of the job. */
  readonly attempt: number;
}

/** The events of the step, in the order in which things happened. */
export function stepEvents({ ended, error, started, restored, stagesTotal, attempt }: PipelineStep) {
  return [
    ...restored.map(({ stage, skipped }) =>
      finishedEvent(stage, {
        status: skipped ? "SKIPPED" : "SUCCEEDED",
        durationMs: 0,
        fromCheckpoint: true,
      }),
    ),
    ...(ended
      ? [
          finishedEvent(ended.stage, {
            status: ended.status,
            durationMs: Math.max(0, Math.round(ended.durationMs)),
            fromCheckpoint: false,
            ...(error ? { error } : {}),
          }),
        ]
      : []),
    ...(started
      ? [
          newEvent({
            type: "stage_started",
            name: started.config.name,
            stageType: started.config.type,
            index: started.position,
            stagesTotal,
            attempt,
          }),
        ]
      : []),
  ];
}

function finishedEvent(
  stage: PlannedStage,
  end: { status: StageReport["status"]; durationMs: number; fromCheckpoint: boolean; error?: JobError },
) {
  return newEvent({
    type: "stage_finished",
    name: stage.config.name,
    stageType: stage.config.type,
    index: stage.position,
    ...end,
  });
}
