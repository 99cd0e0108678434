import type { Auth } from "../auth/auth.ts";
import type { Cleanup } from "../lib/cleanup.ts";
import { createRpcServer, type RpcServer } from "../rpc/server.ts";
import { createFileRoutes } from "../storage/file-routes.ts";
import { createQueueRoute } from "../system/queue-route.ts";
import { VERSION } from "../version.ts";
import { type CallAudit, startAudit } from "./audit.ts";
import type { Core } from "./core.ts";
import { checksOf } from "./health.ts";
import { startRateLimits } from "./rate-limits.ts";
import { routesOf } from "./routes.ts";
import { startWebhooks } from "./webhooks.ts";

/** Starts to serve calls, each limited in rate and recorded; the public address is known from then on. */
export async function startRpc(
  core: Core,
  auth: Auth,
  { writer, recorder }: CallAudit,
  workers: () => Promise<void>,
  cleanup: Cleanup,
): Promise<RpcServer> {
  const { config, logger, metrics, documents } = core;
  const record = await startAudit(core, cleanup);
  const webhooks = await startWebhooks(core, cleanup);
  const { services, system } = routesOf(core, auth, record, webhooks.service, new Date(core.clock.now()));
  const rates = await startRateLimits(core, cleanup);
  const server = createRpcServer({
    addr: { host: config.host, port: config.port },
    tls: config.tls ? { cert: config.tls.cert, key: config.tls.key.reveal() } : undefined,
    hasHttps: config.tls !== null || config.publicUrl?.startsWith("https:") === true,
    services,
    authenticate: auth.authenticate,
    revalidate: auth.revalidate,
    checks: [
      ...checksOf(core, async () => {
        await workers();
        await system.checkWorkers();
      }),
      { name: "audit", critical: false, check: writer.check },
      { name: "webhooks", critical: false, check: webhooks.check },
    ],
    onCallFinished: recorder.finished,
    assertChangeable: writer.assertAvailable,
    http: [
      ...(core.files ? [createFileRoutes(core.files, { onUploaded: documents.uploaded, logger })] : []),
      auth.jwks,
      createQueueRoute(system),
    ],
    corsOrigins: config.corsOrigins,
    trustedProxies: config.trustedProxies,
    rates,
    version: VERSION,
    logger,
    metrics,
  });
  const { url } = await server.start();
  cleanup.add("server", () => server.stop(config.graceMs));
  core.publicUrl.current ||= url;
  return server;
}
