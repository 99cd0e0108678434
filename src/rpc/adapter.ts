import type { DescMessage, DescMethod } from "@bufbuild/protobuf";
import { Code, type ConnectError, type ConnectRouter } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import type { Clock } from "../lib/clock.ts";
import { messageOf } from "../lib/errors.ts";
import type { Trail } from "../lib/trail.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { MethodAction } from "./actions.ts";
import type { BodyGuard } from "./body.ts";
import type { ClientAddresses } from "./client-address.ts";
import { type Call, contextValuesOf } from "./context.ts";
import { failure, fromSluiceError } from "./errors.ts";
import { methodName } from "./gate.ts";
import type { NodeHandler, NodeRequest, NodeResponse } from "./node-http.ts";
import type { RateLimits } from "./rates/rate-limits.ts";
import { redactMessage } from "./redaction.ts";
import { refuse } from "./refusal.ts";
import type { UnreadGuard } from "./unread.ts";

export interface AdapterDeps {
  readonly router: ConnectRouter;
  readonly bodies: BodyGuard;
  readonly unread: UnreadGuard;
  readonly addresses: Pick<ClientAddresses, "of">;
  readonly rates?: Pick<RateLimits, "ofAddress"> | undefined;
  readonly clock: Clock;
  readonly newRequestId: () => string;
  readonly logger: Logger;
  readonly actions: ReadonlyMap<DescMethod, MethodAction>;
  /** Told of calls that were answered without having come to the gate. */
  readonly onRefused: (call: Call, error: ConnectError) => void;
  /** Answers what is not an RPC. */
  readonly plain: (request: NodeRequest, response: NodeResponse) => void;
}

/** How long a refused body may go on arriving before its connection is cut. */
const LINGER_MS = 10_000;
/** Longest name of a method that is written down. */
const MAX_NAME = 128;
const RPC_PATH = /^\/(?:[A-Za-z_]\w*\.)+[A-Za-z_]\w*\/[A-Za-z_]\w*$/;

/** Brings requests of http and http2 servers to the handlers of the router, and all others to `plain`. */
export function createAdapter(deps: AdapterDeps): NodeHandler {
  const { router, bodies, unread, addresses, rates, plain, logger } = deps;
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  const services = new Set(router.handlers.map(({ service }) => service.typeName));

  const called = (method: DescMethod): Called => {
    const name = methodName(method);
    const { action = "", resourceType = "" } = deps.actions.get(method) ?? {};
    return { label: name, method: name, action, resourceType, input: method.input };
  };

  const serve = (
    handler: UniversalHandler,
    req: NodeRequest,
    res: NodeResponse,
    expectsContinue: boolean,
  ) => {
    const call = callFrom(req, called(handler.method), deps);
    const request = universalRequestFromNodeRequest(req, res, undefined, contextValuesOf(call));
    const quietly = handler.method.methodKind === "bidi_streaming";
    const body = bodies.read(req, quietly, expectsContinue ? () => res.writeContinue() : undefined);
    handler({ ...request, body })
      .then((response) => {
        if (!call.begun) deps.onRefused(call, notThisWay(response.status));
        return universalResponseToNodeResponse(response, res);
      })
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
      if (handler) return serve(handler, req, res, expectsContinue);
      // Calls are counted at the gate, which writes each of them down.
      const limited = rates?.ofAddress(addresses.of(req));
      if (limited) {
        const error = fromSluiceError(limited);
        if (RPC_PATH.test(path))
          deps.onRefused(callFrom(req, { ...UNKNOWN, method: path.slice(1) }, deps), error);
        refuse(req, res, error);
      } else if (RPC_PATH.test(path) && req.method === "POST") {
        const [service = "", method = ""] = path.slice(1).split("/");
        const known = services.has(service);
        const message = known ? `${service} has no method ${method}.` : `There is no service ${service}.`;
        const error = failure({ code: Code.Unimplemented, reason: "UNIMPLEMENTED", message });
        deps.onRefused(callFrom(req, { ...UNKNOWN, method: path.slice(1) }, deps), error);
        refuse(req, res, error);
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

/** The method that a call is for. */
interface Called {
  /** Of few values, unlike the name that a client has written. */
  readonly label: string;
  readonly method: string;
  readonly action: string;
  readonly resourceType: string;
  readonly input: DescMessage | null;
}

const UNKNOWN = { label: "unknown", action: "rpc.unknown", resourceType: "", input: null };

function callFrom(req: NodeRequest, called: Called, deps: AdapterDeps): Call {
  const { addresses, clock, newRequestId, logger } = deps;
  const { headers, rawHeaders } = req;
  let credentialHeaders = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]?.toLowerCase();
    if (name === "authorization" || name === "x-api-key") credentialHeaders++;
  }
  const sent = headers["x-request-id"];
  const requestId = typeof sent === "string" && /^[\w.:-]{1,128}$/.test(sent) ? sent : newRequestId();
  const userAgent = String(headers["x-user-agent"] ?? headers["user-agent"] ?? "").slice(0, 256);
  const startMs = clock.now();
  const { label, method, action, resourceType, input } = called;
  const trail: Trail = {
    method: method.slice(0, MAX_NAME),
    action,
    resourceType,
    elapsedMs: () => clock.now() - startMs,
    details() {
      try {
        return input && call.request ? redactMessage(input, call.request) : {};
      } catch (error) {
        // Neither a change nor the end of a call may fail for it.
        logger.error(
          { requestId, method: label, error: messageOf(error) },
          "a request cannot be told in the audit log",
        );
        return { _unreadable: true };
      }
    },
    row: null,
    committed: false,
  };
  const call: Call = {
    method: label,
    peer: { ipAddress: addresses.of(req), userAgent, requestId, trail },
    credentialHeaders,
    startMs,
    request: null,
    resourceId: "",
    begun: false,
    decision: "",
    caller: null,
    work: null,
    streaming: false,
    succeeded: false,
    finished: false,
  };
  return call;
}

/** Refused before the gate: the wrong HTTP method or version, or a content type that no protocol has. */
function notThisWay(status: number): ConnectError {
  return failure({
    code: Code.InvalidArgument,
    reason: "INVALID_REQUEST",
    message: `The request is in no form that an RPC has: HTTP ${status}.`,
  });
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
