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

/** There was one; jobs that were created before go on with it. */
export class PipelineDeletedError extends SluiceError {
  override name = "PipelineDeletedError";
  readonly kind = "not_found";
  readonly reason = "PIPELINE_NOT_FOUND";
  constructor(nameOrId: string, deleteTime: Date) {
    const time = deleteTime.toISOString();
    super(
      `Pipeline ${nameOrId} was deleted at ${time} and takes no new jobs. Name another, or create one of that name.`,
      { pipeline: nameOrId, delete_time: time },
      { resource: { type: "pipeline", name: nameOrId } },
    );
  }
}

export class PipelineExistsError extends SluiceError {
  override name = "PipelineExistsError";
  readonly kind = "already_exists";
  readonly reason = "PIPELINE_EXISTS";
  constructor(name: string) {
    super(`A pipeline called ${name} exists. Choose another name, or update that one.`, { pipeline: name });
  }
}

export class PipelineVersionConflictError extends SluiceError {
  override name = "PipelineVersionConflictError";
  readonly kind = "aborted";
  readonly reason = "VERSION_CONFLICT";
  constructor(name: string, expected: number, actual: number) {
    super(
      `Pipeline ${name} is at version ${actual} by now, not ${expected}. Read it again, and make the change on that.`,
      { pipeline: name, expected_version: String(expected), version: String(actual) },
    );
  }
}

/** The pipeline that jobs run which name none. */
export class PipelineProtectedError extends SluiceError {
  override name = "PipelineProtectedError";
  readonly kind = "failed_precondition";
  readonly reason = "PIPELINE_PROTECTED";
  constructor(name: string, act: "deleted" | "renamed" | "made inactive") {
    super(
      `Pipeline ${name} cannot be ${act}: jobs that name no pipeline run it. Its stages and description can be updated.`,
      { pipeline: name },
    );
  }
}

export class PipelineRequestReusedError extends SluiceError {
  override name = "PipelineRequestReusedError";
  readonly kind = "already_exists";
  readonly reason = "REQUEST_ID_REUSED";
  constructor(requestId: string, pipelineId: string) {
    super(
      `The request_id ${requestId} was used for pipeline ${pipelineId} with other contents. Use a new request_id for a new one.`,
      { request_id: requestId, pipeline_id: pipelineId },
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
