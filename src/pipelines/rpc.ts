import {
  type PipelineConfig,
  PipelinesService as PipelinesServiceDesc,
} from "../../gen/sluice/v1/pipelines_pb.ts";
import { type FieldFault, InvalidRequestError } from "../lib/errors.ts";
import { callerOf } from "../rpc/context.ts";
import { idCursor } from "../rpc/id-cursor.ts";
import { type Cursor, InvalidPageTokenError, type PageTokens, pageSize } from "../rpc/pages.ts";
import { registerService } from "../rpc/service.ts";
import type { RequestValidator } from "../rpc/validation.ts";
import { stageTypeToMessage } from "./catalogue/convert.ts";
import { configFromMessage, pipelineToMessage } from "./convert.ts";
import type { StageDraft } from "./model.ts";
import type { PipelinesService } from "./service.ts";

export interface PipelineRoutesDeps {
  pipelines: PipelinesService;
  pages: PageTokens;
  validator: RequestValidator;
}

/** The handlers of PipelinesService. */
export const pipelineRoutes = ({ pipelines, pages, validator }: PipelineRoutesDeps) => {
  /** The stages, and all that is wrong with them. */
  const examine = (config: PipelineConfig | undefined): { stages: StageDraft[]; faults: FieldFault[] } => {
    const { stages, faults } = configFromMessage(config, validator);
    const named = new Set(faults.map(({ field }) => field));
    // Of what breaks a rule of the contract once is enough.
    const further = pipelines.faultsOf(stages).filter(({ field }) => !named.has(field));
    return { stages, faults: [...faults, ...further] };
  };

  /** The stages of a request. @throws InvalidRequestError */
  const stagesOf = (request: { config?: PipelineConfig | undefined }): StageDraft[] => {
    const { stages, faults } = examine(request.config);
    if (faults.length > 0) throw new InvalidRequestError(faults);
    return stages;
  };

  return registerService(PipelinesServiceDesc, {
    async createPipeline(request, context) {
      const { name, description, requestId, isActive = null } = request;
      const wanted = { name, description, requestId, isActive, stages: stagesOf(request) };
      return { pipeline: pipelineToMessage(await pipelines.create(callerOf(context), wanted)) };
    },

    async getPipeline({ id, name, version }) {
      return { pipeline: pipelineToMessage(await pipelines.get({ id, name, version })) };
    },

    async listPipelines(request, context) {
      const limit = pageSize(request.pageSize);
      const filter = { query: request.query, isActive: request.isActive ?? null };
      const list = { list: "pipelines", userId: callerOf(context).userId, ...filter };
      const beforeId = idCursor(pages.decode(list, request.pageToken));
      const found = await pipelines.list(filter, { limit: limit + 1, beforeId });
      const page = found.slice(0, limit);
      const last = page.at(-1);
      return {
        pipelines: page.map(pipelineToMessage),
        nextPageToken: found.length > limit && last ? pages.encode(list, [last.id]) : "",
      };
    },

    async updatePipeline(request, context) {
      const { id, name, description, expectedVersion, isActive = null } = request;
      const wanted = { name, description, isActive, stages: stagesOf(request) };
      const updated = await pipelines.update(callerOf(context), id.toLowerCase(), expectedVersion, wanted);
      return { pipeline: pipelineToMessage(updated) };
    },

    async deletePipeline({ id, expectedVersion }, context) {
      await pipelines.delete(callerOf(context), id.toLowerCase(), expectedVersion);
      return {};
    },

    async listPipelineVersions(request, context) {
      const limit = pageSize(request.pageSize);
      const id = request.id.toLowerCase();
      const list = { list: "pipeline_versions", userId: callerOf(context).userId, id };
      const before = versionCursor(pages.decode(list, request.pageToken));
      const found = await pipelines.versions(id, { limit: limit + 1, before });
      const page = found.slice(0, limit);
      const last = page.at(-1);
      return {
        versions: page.map(pipelineToMessage),
        nextPageToken: found.length > limit && last ? pages.encode(list, [last.version]) : "",
      };
    },

    async validatePipeline({ config }) {
      return { faults: examine(config).faults };
    },

    async listStageTypes() {
      return { stageTypes: pipelines.stageTypes().map(stageTypeToMessage) };
    },
  });
};

function versionCursor(cursor: Cursor | null): number | null {
  if (cursor === null) return null;
  const [version] = cursor;
  if (typeof version !== "number") throw new InvalidPageTokenError();
  return version;
}
