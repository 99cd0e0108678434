import { SluiceError } from "../lib/errors.ts";

export class PipelineNotFoundError extends SluiceError {
  override name = "PipelineNotFoundError";
  readonly kind = "not_found";
  readonly reason = "PIPELINE_NOT_FOUND";
  constructor(nameOrId: string) {
    super(
      `No pipeline is called ${nameOrId}. ListPipelines shows those there are; without a name the default pipeline runs.`,
      { pipeline: nameOrId },
      { resource: { type: "pipeline", name: nameOrId } },
    );
  }
}

export class PipelineVersionNotFoundError extends SluiceError {
  override name = "PipelineVersionNotFoundError";
  readonly kind = "not_found";
  readonly reason = "PIPELINE_VERSION_NOT_FOUND";
  constructor(nameOrId: string, version: number) {
    super(
      `Pipeline ${nameOrId} has no version ${version}.`,
      { pipeline: nameOrId, version: String(version) },
      { resource: { type: "pipeline_version", name: `${nameOrId}@${version}` } },
    );
  }
}

export class PipelineInactiveError extends SluiceError {
  override name = "PipelineInactiveError";
  readonly kind = "failed_precondition";
  readonly reason = "PIPELINE_INACTIVE";
  constructor(name: string) {
    super(`Pipeline ${name} is inactive and takes no new jobs. Activate it, or name another.`, {
      pipeline: name,
    });
  }
}
