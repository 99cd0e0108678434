import { Code, type ConnectRouter } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import type { Clock } from "../lib/clock.ts";
import { messageOf } from "../lib/errors.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { BodyGuard } from "./body.ts";
import { type Call, contextValuesOf } from "./context.ts";
import { failure } from "./errors.ts";
import { methodName } from "./gate.ts";
import type { NodeHandler, NodeRequest, NodeResponse } from "./node-http.ts";
import { refuse } from "./refusal.ts";
import type { UnreadGuard } from "./unread.ts";

export interface AdapterDeps {
  readonly router: ConnectRouter;
  readonly bodies: BodyGuard;
  readonly unread: UnreadGuard;
  readonly clock: Clock;
  readonly newRequestId: () => string;
  readonly logger: Logger;
  /** Answers what is not an RPC. */
  readonly plain: (request: NodeRequest, response: NodeResponse) => void;
}

/** How long a refused body may go on arriving before its connection is cut. */
const LINGER_MS = 10_000;
const RPC_PATH = /^\/(?:[A-Za-z_]\w*\.)+[A-Za-z_]\w*\/[A-Za-z_]\w*$/;

/** Brings requests of http and http2 servers to the handlers of the router, and all others to `plain`. */
export function createAdapter(deps: AdapterDeps): NodeHandler {
  const { router, bodies, unread, plain, logger } = deps;
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  const services = new Set(router.handlers.map(({ service }) => service.typeName));

  const serve = (
    handler: UniversalHandler,
    req: NodeRequest,
    res: NodeResponse,
    expectsContinue: boolean,
  ) => {
    const call = callFrom(req, methodName(handler.method), deps);
    const request = universalRequestFromNodeRequest(req, res, undefined, contextValuesOf(call));
    const quietly = handler.method.methodKind === "bidi_streaming";
    const body = bodies.read(req, quietly, expectsContinue ? () => res.writeContinue() : undefined);
    handler({ ...request, body })
      .then((response) => universalResponseToNodeResponse(response, res))
      .catch((error) => {
        logger.debug(
          { requestId: call.peer.requestId, method: call.method, error: messageOf(error) },
          "answer not sent",
        );
        if (res.headersSent) res.destroy();
        else res.writeHead(500).end();
      });
  };

  return (req, res, expectsContinue = false) => {
    req.on("error", () => {});
    res.on("error", () => {});
    // Connect waits for "drain" before it writes on; without this, a client that stops reading and then leaves
    // keeps the handler of its stream waiting for ever.
    res.once("close", () => res.emit("drain"));
    letRestOfBodyPass(req, res);
    unread.watch(res);
    const path = req.url?.split("?", 1)[0] ?? "";
    try {
      const handler = handlers.get(path);
      if (handler) {
        serve(handler, req, res, expectsContinue);
      } else if (RPC_PATH.test(path) && req.method === "POST") {
        const [service = "", method = ""] = path.slice(1).split("/");
        const known = services.has(service);
        const message = known ? `${service} has no method ${method}.` : `There is no service ${service}.`;
        refuse(req, res, failure({ code: Code.Unimplemented, reason: "UNIMPLEMENTED", message }));
      } else {
        if (expectsContinue) res.writeContinue();
        plain(req, res);
      }
    } catch (error) {
      // A Host header that is none, say: Connect cannot make a URL of it.
      logger.debug({ error: messageOf(error) }, "malformed request");
      if (res.headersSent) res.destroy();
      else res.writeHead(400, { "content-type": "text/plain" }).end("malformed request\n");
    }
  };
}

function callFrom(req: NodeRequest, method: string, { clock, newRequestId }: AdapterDeps): Call {
  const { headers, rawHeaders } = req;
  let credentialHeaders = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]?.toLowerCase();
    if (name === "authorization" || name === "x-api-key") credentialHeaders++;
  }
  const sent = headers["x-request-id"];
  const requestId = typeof sent === "string" && /^[\w.:-]{1,128}$/.test(sent) ? sent : newRequestId();
  const userAgent = String(headers["x-user-agent"] ?? headers["user-agent"] ?? "").slice(0, 256);
  const ipAddress = (req.socket.remoteAddress ?? "").replace(/^::ffff:(?=\d+\.)/, "");
  const peer = { ipAddress, userAgent, requestId };
  return {
    method,
    peer,
    credentialHeaders,
    startMs: clock.now(),
    caller: null,
    succeeded: false,
    finished: false,
  };
}

/**
 * After an answer that came before the end of the body: takes in the rest for a while, so that the connection stays
 * usable and the client reads the answer, then cuts it.
 */
function letRestOfBodyPass(req: NodeRequest, res: NodeResponse): void {
  res.once("finish", () => {
    if (req.complete || req.destroyed) return;
    req.resume();
    const cut = "stream" in req ? () => req.stream.close() : () => req.socket.destroy();
    const timer = setTimeout(cut, LINGER_MS);
    for (const event of ["end", "close"]) req.once(event, () => clearTimeout(timer));
  });
}
