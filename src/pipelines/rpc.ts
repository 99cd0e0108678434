import { PipelinesService as PipelinesServiceDesc } from "../../gen/sluice/v1/pipelines_pb.ts";
import { idCursor } from "../rpc/id-cursor.ts";
import { type PageTokens, pageSize } from "../rpc/pages.ts";
import { registerService } from "../rpc/service.ts";
import { pipelineToMessage } from "./convert.ts";
import type { PipelinesService } from "./service.ts";

/** The handlers of PipelinesService. */
export const pipelineRoutes = (pipelines: PipelinesService, pages: PageTokens) =>
  registerService(PipelinesServiceDesc, {
    async getPipeline({ id, name, version }) {
      return { pipeline: pipelineToMessage(await pipelines.get({ id, name, version })) };
    },

    async listPipelines(request) {
      const limit = pageSize(request.pageSize);
      const filter = { query: request.query, isActive: request.isActive ?? null };
      const list = { list: "pipelines", ...filter };
      const beforeId = idCursor(pages.decode(list, request.pageToken));
      const found = await pipelines.list(filter, { limit: limit + 1, beforeId });
      const page = found.slice(0, limit);
      const last = page.at(-1);
      return {
        pipelines: page.map(pipelineToMessage),
        nextPageToken: found.length > limit && last ? pages.encode(list, [last.id]) : "",
      };
    },
  });
