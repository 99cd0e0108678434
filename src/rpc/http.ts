import type { Registry } from "prom-client";
import { messageOf } from "../lib/errors.ts";
import type { Logger } from "../telemetry/logger.ts";
import { type HealthCheck, runHealthChecks } from "./health-checks.ts";
import type { NodeRequest, NodeResponse } from "./node-http.ts";

/** Answers a plain request and returns true, or leaves it alone and returns false. */
export type PlainRoute = (request: NodeRequest, response: NodeResponse) => Promise<boolean>;

export interface PlainOptions {
  readonly checks: readonly HealthCheck[];
  readonly registry: Registry;
  /** Asked in order, before the landing page and 404. */
  readonly routes: readonly PlainRoute[];
  readonly version: string;
  readonly logger: Logger;
  readonly newRequestId: () => string;
  /** False from the moment the server begins to stop. */
  readonly isAccepting: () => boolean;
}

/** Longest silence on a connection in the middle of a plain request. */
const IDLE_MS = 60_000;

/** The plain HTTP routes of the port: health, metrics, those that are handed in, a landing page. */
export function createPlainHandler(options: PlainOptions): (req: NodeRequest, res: NodeResponse) => void {
  const { checks, registry, routes, version, logger, newRequestId, isAccepting } = options;

  const health = async (res: NodeResponse, which: readonly HealthCheck[]) => {
    const report = await runHealthChecks(which);
    const ok = report.status === "ok" && isAccepting();
    const status = isAccepting() ? report.status : "stopping";
    sendJson(res, ok ? 200 : 503, { status, checks: report.checks });
  };

  const answer = async (req: NodeRequest, res: NodeResponse): Promise<void> => {
    const path = req.url?.split("?", 1)[0] ?? "";
    const reads = req.method === "GET" || req.method === "HEAD";
    switch (reads ? path : "") {
      case "/health":
        return health(res, checks);
      case "/health/ready":
        return health(
          res,
          checks.filter(({ critical }) => critical),
        );
      case "/health/live":
        return sendJson(res, 200, { status: "ok" });
      case "/metrics":
        return send(res, 200, registry.contentType, await registry.metrics());
    }
    for (const route of routes) {
      if (await route(req, res)) return;
    }
    if (reads && path === "/") return send(res, 200, "text/plain; charset=utf-8", landing(version));
    return sendJson(res, 404, { error: "not found" });
  };

  return (req, res) => {
    const requestId = newRequestId();
    res.setHeader("x-request-id", requestId);
    req.setTimeout(IDLE_MS, () => ("stream" in req ? req.stream.close() : req.socket.destroy()));
    answer(req, res).catch((error) => {
      logger.error(
        { requestId, path: req.url?.split("?", 1)[0]?.slice(0, 256), error: messageOf(error) },
        "plain route failed",
      );
      if (res.headersSent) res.destroy();
      else sendJson(res, 500, { error: "internal error", request_id: requestId });
    });
  };
}

function landing(version: string): string {
  return [
    `Sluice ${version}`,
    "",
    "gRPC, gRPC-Web and Connect (JSON over HTTP) are served on this port; reflection is on.",
    "Health: /health   Metrics: /metrics",
    "",
  ].join("\n");
}

function sendJson(res: NodeResponse, status: number, body: unknown): void {
  send(res, status, "application/json", `${JSON.stringify(body)}\n`);
}

function send(res: NodeResponse, status: number, contentType: string, body: string): void {
  res.writeHead(status, { "content-type": contentType, "content-length": Buffer.byteLength(body) });
  // Both kinds of response leave the body out when the request is a HEAD.
  res.end(body);
}
