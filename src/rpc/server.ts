import { setMaxListeners } from "node:events";
import { createRegistry } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Level } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";
import { file_google_rpc_error_details } from "../../gen/google/rpc/error_details_pb.ts";
import type { AddressRange } from "../lib/address-ranges.ts";
import type { Caller } from "../lib/caller.ts";
import { type Clock, systemClock } from "../lib/clock.ts";
import { messageOf } from "../lib/errors.ts";
import { newId } from "../lib/ids.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { actionOf } from "./actions.ts";
import { createAdapter } from "./adapter.ts";
import { createBodyGuard } from "./body.ts";
import { createClientAddresses } from "./client-address.ts";
import { type Call, callOf } from "./context.ts";
import { createCors } from "./cors.ts";
import { type ErrorScope, explain, failure, isReset, toConnectError } from "./errors.ts";
import { type Authenticate, accessRules, createGate } from "./gate.ts";
import { spellGrpcMessage } from "./grpc-message.ts";
import { createHealthState, type HealthState, healthService } from "./health.ts";
import type { HealthCheck } from "./health-checks.ts";
import { createPlainHandler, type PlainRoute } from "./http.ts";
import { guardedHandlers } from "./invoke.ts";
import { createLedger, type FinishedCall } from "./ledger.ts";
import { type EdgeLimits, edgeLimits } from "./limits.ts";
import { createListener } from "./listener.ts";
import type { RateLimits } from "./rates/rate-limits.ts";
import { reflectionServices } from "./reflection.ts";
import { createSecurityHeaders } from "./security-headers.ts";
import type { ServiceRegistration } from "./service.ts";
import { createStreamLeases } from "./stream-lease.ts";
import { createUnreadGuard } from "./unread.ts";
import { createRequestValidator } from "./validation.ts";

export interface RpcServerOptions {
  readonly addr: { readonly host: string; readonly port: number };
  /** PEM. With it, cleartext is served to loopback peers only. */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer } | undefined;
  /** Clients come by https, also when something in front ends it; without this as `tls` says. */
  readonly hasHttps?: boolean;
  readonly services: readonly ServiceRegistration[];
  readonly authenticate: Authenticate;
  /** Throws a `SluiceError` if the credential of an open stream is no longer good; asked every few seconds. */
  readonly revalidate?: ((caller: Caller) => Promise<void>) | undefined;
  readonly checks?: readonly HealthCheck[];
  /** Further plain routes, e.g. signed file URLs; asked in order. */
  readonly http?: readonly PlainRoute[];
  /** Origins, exact, whose pages may call from a browser. */
  readonly corsOrigins?: readonly string[];
  /** Proxies whose word on a client's address is taken. */
  readonly trustedProxies?: readonly AddressRange[];
  readonly limits?: Partial<EdgeLimits>;
  /** How often an address or a user may call; without it as often as they like. */
  readonly rates?: Pick<RateLimits, "ofAddress" | "ofUser"> | undefined;
  readonly version: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock?: Clock;
  readonly newRequestId?: () => string;
  /** Told of every call's end, and of the beginning of every stream; must neither throw nor wait. */
  readonly onCallFinished?: (call: FinishedCall) => void;
  /** Throws if no call that changes something can be taken now; such calls are refused with what it throws. */
  readonly assertChangeable?: () => void;
}

export interface RpcServer {
  /** Listens. @throws ListenError if the address cannot be had, with what to do */
  start(): Promise<{ url: string; port: number }>;
  /**
   * Ends in good order: not serving, no new connections, calls that end by themselves get up to `graceMs`, streams
   * end with UNAVAILABLE, what is left a second later is cut. Resolves when no connection is open.
   */
  stop(graceMs: number): Promise<void>;
  /** The port that is listened on; 0 before `start`. */
  readonly port: number;
  readonly health: HealthState;
}

/** What may stand in a `google.protobuf.Any` of an answer: the details of failures, e.g. of the items of a batch. */
const DETAILS = createRegistry(file_google_rpc_error_details);
/** The codes with which the gate itself turns a call away. */
const DENIALS: ReadonlySet<Code> = new Set([
  Code.Unauthenticated,
  Code.PermissionDenied,
  Code.ResourceExhausted,
]);
const DRAIN_STEP_MS = 10;
/** Time for those who watch the health to hear of its change, before their streams end. */
const TELL_MS = 100;
/** Time to send the last errors of streams, after their handlers were told to stop. */
const CUT_AFTER_MS = 1_000;

/**
 * The edge: gRPC, gRPC-Web, Connect and plain HTTP on one port; every call passes the gate on its headers, then
 * validation, then its handler.
 * @throws Error if a method does not say who may call it
 */
export function createRpcServer(options: RpcServerOptions): RpcServer {
  const { services, authenticate, logger, metrics, clock = systemClock, newRequestId = newId } = options;
  const limits = edgeLimits(options.limits);
  const health = createHealthState(
    services.map(({ service }) => service.typeName),
    false,
  );
  const all = [...services, healthService(health)];
  const everything = [...all, ...reflectionServices(all)];
  const actions = new Map(
    everything.flatMap(({ service }) => service.methods.map((method) => [method, actionOf(method)] as const)),
  );
  const changing = new Set(
    services.flatMap(({ service }) =>
      service.methods.filter(({ idempotency }) => idempotency !== Level.NO_SIDE_EFFECTS),
    ),
  );
  const { rates } = options;
  const addresses = createClientAddresses(options.trustedProxies ?? []);
  const gate = createGate(accessRules(everything), authenticate, rates);
  const validator = createRequestValidator();
  const leases = createStreamLeases({ ...limits, clock, revalidate: options.revalidate });
  const ledger = createLedger({ clock, logger, metrics, onFinished: options.onCallFinished });
  const bodies = createBodyGuard(
    { idleMs: limits.bodyIdleMs, minBytesPerSecond: limits.bodyMinBytesPerSecond },
    clock,
  );
  const unread = createUnreadGuard(limits.unreadMs, clock);
  const shutdown = new AbortController();
  // Every open call listens.
  setMaxListeners(0, shutdown.signal);
  let stopping: Promise<void> | undefined;
  let boundPort = 0;

  const scopeOf = ({ method, peer: { requestId } }: Call): ErrorScope => ({
    requestId,
    onUnexpected: (error) => logger.error({ requestId, method, err: describe(error) }, "unexpected error"),
    onDatabaseLost: (error) =>
      logger.warn(
        { requestId, method, error: messageOf(error) },
        "the database did not answer a call; its caller was told to try again",
      ),
  });

  const requestGate = async (context: HandlerContext) => {
    const call = callOf(context);
    const { signal, responseHeader, method } = context;
    spellGrpcMessage(context.responseTrailer);
    responseHeader.set("x-request-id", call.peer.requestId);
    ledger.begin(call, method);
    // Connect aborts the signal at the end of every call, with the error if there was one, before it answers.
    // Errors that Connect itself has thrown get their details here.
    const onEnd = () => ledger.finish(call, endOf(call, signal.reason, scopeOf(call)));
    if (!signal.aborted) signal.addEventListener("abort", onEnd, { once: true });
    try {
      signal.throwIfAborted();
      await gate(context);
      if (changing.has(method)) options.assertChangeable?.();
      call.decision = "allowed";
    } catch (error) {
      const answer = toConnectError(error, scopeOf(call));
      if (DENIALS.has(answer.code)) call.decision = "denied";
      ledger.finish(call, answer);
      throw answer;
    }
  };

  const router = createConnectRouter({
    requestGate,
    shutdownSignal: shutdown.signal,
    readMaxBytes: limits.maxMessageBytes,
    acceptCompression: [compressionGzip, compressionBrotli],
    // A field that the contract does not have is a misspelt one.
    jsonOptions: { ignoreUnknownFields: false, registry: DETAILS },
  });
  for (const registration of everything) {
    const handlers = guardedHandlers(registration, {
      validator,
      leases,
      metrics,
      actions,
      onOpened: ledger.opened,
      scopeOf,
    });
    router.service(registration.service, handlers as never);
  }
  const plain = createPlainHandler({
    checks: options.checks ?? [],
    registry: metrics.registry,
    routes: options.http ?? [],
    version: options.version,
    logger,
    newRequestId,
    isAccepting: () => !stopping,
  });
  const adapter = createAdapter({
    router,
    bodies,
    addresses,
    rates,
    unread,
    clock,
    newRequestId,
    logger,
    actions,
    onRefused: ledger.finish,
    plain,
  });
  const cors = createCors(options.corsOrigins ?? []);
  const secure = createSecurityHeaders(options.hasHttps ?? options.tls !== undefined);
  const listener = createListener({
    ...options.addr,
    tls: options.tls,
    limits,
    isProxy: addresses.isProxy,
    clock,
    handler(req, res, expectsContinue) {
      if (stopping && req.httpVersionMajor === 1) res.setHeader("connection", "close");
      secure(req, res);
      if (!cors(req, res)) adapter(req, res, expectsContinue);
    },
  });

  const drain = async (graceMs: number) => {
    health.setAll(false);
    listener.close();
    const wait = async (untilMs: number, done: () => boolean) => {
      while (!done() && clock.now() < untilMs) {
        listener.closeIdle();
        await new Promise((resolve) => setTimeout(resolve, DRAIN_STEP_MS));
      }
    };
    const beginMs = clock.now();
    const told = () => clock.now() - beginMs >= Math.min(TELL_MS, graceMs);
    await wait(beginMs + graceMs, () => ledger.openFinite === 0 && told());
    shutdown.abort(shuttingDown());
    await wait(clock.now() + CUT_AFTER_MS, () => listener.openConnections === 0);
    listener.destroy();
    bodies.close();
    unread.close();
  };

  return {
    async start() {
      validator.warm(services.map(({ service }) => service));
      const bound = await listener.listen();
      boundPort = bound.port;
      health.setAll(true);
      return bound;
    },
    stop(graceMs) {
      stopping ??= drain(graceMs);
      return stopping;
    },
    get port() {
      return boundPort;
    },
    health,
  };
}

function shuttingDown(): ConnectError {
  return failure({
    code: Code.Unavailable,
    reason: "SHUTTING_DOWN",
    message: "The server is stopping; try again in a moment.",
    extras: { retryAfterMs: 1_000 },
  });
}

function endOf(call: Call, reason: unknown, scope: ErrorScope): ConnectError | null {
  if (reason instanceof ConnectError && !isReset(reason)) return explain(reason, scope);
  return call.succeeded ? null : new ConnectError("canceled", Code.Canceled);
}

function describe(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name, message, stack, cause } = error;
  return { name, message, stack, ...(cause === undefined ? {} : { cause: describe(cause) }) };
}
