/** PipelinesService and JobsService behind a real edge, over the parts of a harness. */

import { createSluice, type Sluice } from "../../../sdk/src/node.ts";
import { UnauthenticatedError } from "../../../src/auth/errors.ts";
import { BUILTIN_ROLES } from "../../../src/auth/permissions.ts";
import { jobRoutes } from "../../../src/jobs/rpc.ts";
import { configToMessage } from "../../../src/pipelines/convert.ts";
import { pipelineRoutes } from "../../../src/pipelines/rpc.ts";
import { createPageTokens } from "../../../src/rpc/pages.ts";
import { createRpcServer } from "../../../src/rpc/server.ts";
import { createRequestValidator } from "../../../src/rpc/validation.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";
import type { Harness } from "../../support/harness.ts";

export interface Wire extends AsyncDisposable {
  readonly url: string;
  /** A client with the permissions of a built-in role. */
  as(role: string): Sluice;
}

export async function startWire(h: Harness): Promise<Wire> {
  const pages = createPageTokens(Buffer.alloc(32, 1));
  const validator = createRequestValidator();
  const logger = createLogger("silent");
  const callers = new Map(
    [...BUILTIN_ROLES].map(([role, { permissions }]) => [`Bearer ${role}`, h.caller(permissions)]),
  );
  const { pipelines, jobs, documents } = h;
  const snapshotToMessage = configToMessage;
  const server = createRpcServer({
    addr: { host: "127.0.0.1", port: 0 },
    services: [
      pipelineRoutes({ pipelines, pages, validator }),
      jobRoutes({ jobs, documents, pages, validator, logger, now: Date.now, snapshotToMessage }),
    ],
    authenticate: async (headers) => {
      const caller = callers.get(headers.get("authorization") ?? "");
      if (!caller) throw new UnauthenticatedError();
      return caller;
    },
    version: "test",
    logger,
    metrics: h.metrics,
  });
  const { url } = await server.start();
  const clients = new Map<string, Sluice>();
  return {
    url,
    as(role) {
      const client = clients.get(role) ?? createSluice({ url, apiKey: role });
      clients.set(role, client);
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients.values()) client.close();
      await server.stop(0);
    },
  };
}
