import type { Database } from "../db/sql.ts";
import { isUuid } from "../lib/ids.ts";
import { PipelineInactiveError, PipelineNotFoundError, PipelineVersionNotFoundError } from "./errors.ts";
import type { Pipeline, PipelineVersion } from "./model.ts";
import {
  findPipeline,
  findPipelineVersion,
  listPipelines,
  type PipelineFilter,
  type PipelineKey,
} from "./queries.ts";

export type PipelinesService = ReturnType<typeof createPipelinesService>;

/** How long a process may go on with what it knows of a pipeline. */
const CACHE_MS = 1_000;
const MAX_CACHED = 1_000;

export function createPipelinesService({ db, now }: { db: Database; now: () => number }) {
  const cache = new Map<string, { at: number; pipeline: Promise<Pipeline | null> }>();

  const lookup = async (key: PipelineKey): Promise<Pipeline | null> => {
    const name = "id" in key ? `id ${key.id}` : `name ${key.name}`;
    const known = cache.get(name);
    if (known && now() - known.at < CACHE_MS) return await known.pipeline;
    const pipeline = findPipeline(db.sql, key);
    if (cache.size >= MAX_CACHED) cache.clear();
    cache.set(name, { at: now(), pipeline });
    try {
      const found = await pipeline;
      if (!found) cache.delete(name);
      return found;
    } catch (error) {
      cache.delete(name);
      throw error;
    }
  };

  return {
    /** By id or name. @throws PipelineNotFoundError, PipelineVersionNotFoundError */
    async get(request: { id: string; name: string; version: number }): Promise<Pipeline> {
      const label = request.id || request.name;
      const key = request.id ? { id: request.id } : { name: request.name };
      const pipeline = "id" in key && !isUuid(key.id) ? null : await findPipeline(db.sql, key);
      if (!pipeline) throw new PipelineNotFoundError(label);
      if (request.version === 0 || request.version === pipeline.version) return pipeline;
      const version = await findPipelineVersion(db.sql, pipeline.id, request.version);
      if (!version) throw new PipelineVersionNotFoundError(label, request.version);
      return { ...pipeline, version: version.version, stages: version.stages };
    },

    /** A page of pipelines, newest first. */
    async list(
      filter: PipelineFilter,
      page: { limit: number; beforeId: string | null },
    ): Promise<Pipeline[]> {
      return await listPipelines(db.sql, filter, page);
    },

    /**
     * The version a new job is to run: `version`, or the newest for 0; the pipeline `default` when neither
     * id nor name is given. May lag a second behind an update.
     * @throws PipelineNotFoundError, PipelineVersionNotFoundError, PipelineInactiveError
     */
    async forNewJob(request: { id: string; name: string; version: number }): Promise<PipelineVersion> {
      const label = request.id || request.name || "default";
      const pipeline =
        request.id && !isUuid(request.id)
          ? null
          : await lookup(request.id ? { id: request.id } : { name: label });
      if (!pipeline || (request.name && pipeline.name !== request.name))
        throw new PipelineNotFoundError(label);
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

    /** The snapshot a job runs. @throws PipelineVersionNotFoundError */
    async snapshot(pipelineId: string, version: number): Promise<PipelineVersion> {
      const found = await findPipelineVersion(db.sql, pipelineId, version);
      if (!found) throw new PipelineVersionNotFoundError(pipelineId, version);
      return found;
    },
  };
}
