import type { Auditor } from "../audit/auditor.ts";
import { type Database, type Sql, sqlState } from "../db/sql.ts";
import type { Caller } from "../lib/caller.ts";
import type { FieldFault } from "../lib/errors.ts";
import { isUuid } from "../lib/ids.ts";
import { requestHash } from "../lib/request-hash.ts";
import type { SecretBox } from "../lib/secret-box.ts";
import type { StageCatalogue } from "../stages/catalogue.ts";
import { definitionFaults } from "./definition.ts";
import {
  PipelineDeletedError,
  PipelineExistsError,
  PipelineInactiveError,
  PipelineNotFoundError,
  PipelineProtectedError,
  PipelineRequestReusedError,
  PipelineVersionConflictError,
  PipelineVersionNotFoundError,
} from "./errors.ts";
import { createPipelineMemory } from "./memory.ts";
import { DEFAULT_PIPELINE, type Pipeline, type PipelineVersion, type StageDraft } from "./model.ts";
import {
  findByRequest,
  findDeleted,
  findPipeline,
  findPipelineAt,
  findPipelineVersion,
  findVersionOfJob,
  insertNextVersion,
  insertPipeline,
  listPipelines,
  listVersions,
  lockPipeline,
  markDeleted,
  type PipelineFilter,
  type PipelineKey,
  releaseRequest,
} from "./queries.ts";
import { sealStages } from "./secrets.ts";

export type PipelinesService = ReturnType<typeof createPipelinesService>;

const UNIQUE_VIOLATION = "23505";

export interface PipelinesDeps {
  db: Database;
  /** Milliseconds, monotonic. */
  now: () => number;
  audit: Auditor;
  secrets: SecretBox;
  /** The types that definitions may use. */
  catalogue: StageCatalogue;
  /** 32 bytes, the same on every server. */
  requestHashKey: Uint8Array;
  newId: () => string;
}

/** A definition as a caller writes it; already checked. */
export interface PipelineRequest {
  name: string;
  description: string;
  stages: readonly StageDraft[];
  /** Null: true for a new pipeline, else as it is. */
  isActive: boolean | null;
}

export function createPipelinesService(deps: PipelinesDeps) {
  const { db, audit, secrets, catalogue, requestHashKey, newId } = deps;
  const memory = createPipelineMemory({ read: (key) => findPipeline(db.sql, key), now: deps.now });

  /** Why there is no such pipeline. */
  const missing = async (sql: Sql, key: PipelineKey): Promise<Error> => {
    const label = "id" in key ? key.id : key.name;
    const deleteTime = await findDeleted(sql, key);
    return deleteTime ? new PipelineDeletedError(label, deleteTime) : new PipelineNotFoundError(label);
  };

  /** The pipeline to change, locked. */
  const forChange = async (tx: Sql, id: string, expectedVersion: number): Promise<Pipeline> => {
    const pipeline = await lockPipeline(tx, id);
    if (!pipeline) throw await missing(tx, { id });
    if (expectedVersion !== 0 && expectedVersion !== pipeline.version)
      throw new PipelineVersionConflictError(pipeline.name, expectedVersion, pipeline.version);
    return pipeline;
  };

  const record = (tx: Sql, caller: Caller, verb: string, { id, name, version }: Pipeline) =>
    audit.record(tx, caller, {
      action: `pipelines.${verb}`,
      resourceType: "pipeline",
      resourceId: id,
      details: { name, version },
    });

  /** What the request id has made before; null when it is free. */
  const repeated = async (
    tx: Sql,
    caller: Caller,
    requestId: string,
    hash: string,
  ): Promise<Pipeline | null> => {
    const made = await findByRequest(tx, caller.userId, requestId);
    if (!made) return null;
    if (!made.withinWindow) {
      await releaseRequest(tx, made.id);
      return null;
    }
    if (made.requestHash !== hash) throw new PipelineRequestReusedError(requestId, made.id);
    const pipeline = await findPipeline(tx, { id: made.id });
    if (!pipeline) throw await missing(tx, { id: made.id });
    return pipeline;
  };

  return {
    /** Every fault of a definition that the rules of the contract do not name. */
    faultsOf: (stages: readonly StageDraft[]): FieldFault[] => definitionFaults(stages, catalogue),

    /** The types of stages there are, by name. */
    stageTypes: () => catalogue.list(),

    /**
     * Makes a pipeline at version 1; a repeated `requestId` returns what the first one made.
     * @throws PipelineExistsError, PipelineRequestReusedError
     */
    async create(caller: Caller, request: PipelineRequest & { requestId: string }): Promise<Pipeline> {
      const { name, description, stages, isActive, requestId } = request;
      const id = newId();
      const hash = requestId ? requestHash(requestHashKey, { name, description, stages, isActive }) : null;
      const created = await db.begin(async (tx) => {
        if (hash) {
          const first = await repeated(tx, caller, requestId, hash);
          if (first) return first;
        }
        const pipeline = await insertPipeline(tx, {
          id,
          name,
          description,
          stages: sealStages(secrets, id, request.stages),
          isActive: request.isActive ?? true,
          createdBy: caller.userId,
          requestId: requestId || null,
          requestHash: hash,
        });
        if (pipeline) {
          await record(tx, caller, "create", pipeline);
          return pipeline;
        }
        // Another call was first: with the same request id, or with the name.
        const first = hash ? await repeated(tx, caller, requestId, hash) : null;
        if (!first) throw new PipelineExistsError(name);
        return first;
      });
      memory.forget();
      return created;
    },

    /**
     * Replaces a definition and makes the next version of it. A secret that is left out stays as it was in the stage
     * of the same name and type.
     * @throws PipelineNotFoundError, PipelineDeletedError, PipelineVersionConflictError, PipelineExistsError,
     *   PipelineProtectedError
     */
    async update(
      caller: Caller,
      id: string,
      expectedVersion: number,
      request: PipelineRequest,
    ): Promise<Pipeline> {
      try {
        const updated = await db.begin(async (tx) => {
          const before = await forChange(tx, id, expectedVersion);
          const name = request.name || before.name;
          const isActive = request.isActive ?? before.isActive;
          if (id === DEFAULT_PIPELINE.id && name !== before.name)
            throw new PipelineProtectedError(before.name, "renamed");
          if (id === DEFAULT_PIPELINE.id && !isActive)
            throw new PipelineProtectedError(before.name, "made inactive");
          const pipeline = await insertNextVersion(tx, id, {
            name,
            description: request.description,
            stages: sealStages(secrets, id, request.stages, before.stages),
            isActive,
            createdBy: caller.userId,
          });
          await record(tx, caller, "update", pipeline);
          return pipeline;
        });
        memory.forget();
        return updated;
      } catch (error) {
        if (sqlState(error) === UNIQUE_VIOLATION) throw new PipelineExistsError(request.name);
        throw error;
      }
    },

    /**
     * Jobs that exist keep their version; new ones are refused, by this process at once and by others within a second.
     * @throws PipelineNotFoundError, PipelineDeletedError, PipelineVersionConflictError, PipelineProtectedError
     */
    async delete(caller: Caller, id: string, expectedVersion: number): Promise<void> {
      await db.begin(async (tx) => {
        const pipeline = await forChange(tx, id, expectedVersion);
        if (id === DEFAULT_PIPELINE.id) throw new PipelineProtectedError(pipeline.name, "deleted");
        await markDeleted(tx, id);
        await record(tx, caller, "delete", pipeline);
      });
      memory.forget();
    },

    /** By id or name. @throws PipelineNotFoundError, PipelineDeletedError, PipelineVersionNotFoundError */
    async get(request: { id: string; name: string; version: number }): Promise<Pipeline> {
      const label = request.id || request.name;
      const key = request.id ? { id: request.id } : { name: request.name };
      if ("id" in key && !isUuid(key.id)) throw new PipelineNotFoundError(label);
      const pipeline = await findPipeline(db.sql, key);
      if (!pipeline) throw await missing(db.sql, key);
      if (request.version === 0 || request.version === pipeline.version) return pipeline;
      const version = await findPipelineAt(db.sql, pipeline.id, request.version);
      if (!version) throw new PipelineVersionNotFoundError(label, request.version);
      return version;
    },

    /** A page of pipelines, newest first. */
    async list(
      filter: PipelineFilter,
      page: { limit: number; beforeId: string | null },
    ): Promise<Pipeline[]> {
      return await listPipelines(db.sql, filter, page);
    },

    /** A page of a pipeline's versions, newest first. @throws PipelineNotFoundError, PipelineDeletedError */
    async versions(id: string, page: { limit: number; before: number | null }): Promise<Pipeline[]> {
      if (!(await findPipeline(db.sql, { id }))) throw await missing(db.sql, { id });
      return await listVersions(db.sql, id, page);
    },

    /**
     * The version a new job is to run: `version`, or the newest for 0; the pipeline `default` when neither
     * id nor name is given. May lag a second behind a change that another process made.
     * @throws PipelineNotFoundError, PipelineDeletedError, PipelineVersionNotFoundError, PipelineInactiveError
     */
    async forNewJob(request: { id: string; name: string; version: number }): Promise<PipelineVersion> {
      const label = request.id || request.name || DEFAULT_PIPELINE.name;
      if (request.id && !isUuid(request.id)) throw new PipelineNotFoundError(label);
      const key = request.id ? { id: request.id } : { name: label };
      const pipeline = await memory.find(key);
      if (!pipeline) throw await missing(db.sql, key);
      if (request.name && pipeline.name !== request.name) throw new PipelineNotFoundError(label);
      if (!pipeline.isActive) throw new PipelineInactiveError(pipeline.name);
      if (request.version === 0 || request.version === pipeline.version) {
        return {
          pipelineId: pipeline.id,
          name: pipeline.name,
          version: pipeline.version,
          stages: pipeline.stages,
        };
      }
      const version = await findPipelineVersion(db.sql, pipeline.id, request.version);
      if (!version) throw new PipelineVersionNotFoundError(label, request.version);
      return version;
    },

    /** The snapshot that a job runs, whoever owns the job: for those to whom it is shown. Null if there is no such job. */
    async snapshotOfJob(jobId: string): Promise<PipelineVersion | null> {
      return await findVersionOfJob(db.sql, jobId);
    },
  };
}
