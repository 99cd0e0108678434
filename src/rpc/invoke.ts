import type { DescMethod, Message } from "@bufbuild/protobuf";
import { Code, type HandlerContext } from "@connectrpc/connect";
import type { Metrics } from "../telemetry/metrics.ts";
import type { MethodAction } from "./actions.ts";
import { type Call, callOf } from "./context.ts";
import { type ErrorScope, failure, toConnectError } from "./errors.ts";
import type { AnyHandler, ServiceRegistration } from "./service.ts";
import type { StreamLease, StreamLeases } from "./stream-lease.ts";
import type { RequestValidator } from "./validation.ts";

export interface InvokeDeps {
  readonly validator: RequestValidator;
  readonly leases: StreamLeases;
  readonly metrics: Metrics;
  readonly actions: ReadonlyMap<DescMethod, MethodAction>;
  readonly onOpened: (call: Call) => void;
  readonly scopeOf: (call: Call) => ErrorScope;
}

/**
 * The handlers of a service as Connect takes them: each request is validated, each throw becomes an error with
 * details, and none outlives its signal, whether the handler listens to it or not.
 */
export function guardedHandlers(
  { service, handlers }: ServiceRegistration,
  deps: InvokeDeps,
): Record<string, AnyHandler> {
  return Object.fromEntries(
    service.methods.map((method) => {
      const handler = handlers[method.localName] ?? unimplemented(method);
      const answersOnce = method.methodKind === "unary" || method.methodKind === "client_streaming";
      return [method.localName, answersOnce ? once(method, handler, deps) : streaming(method, handler, deps)];
    }),
  );
}

function unimplemented(method: DescMethod): AnyHandler {
  return () => {
    throw failure({
      code: Code.Unimplemented,
      reason: "UNIMPLEMENTED",
      message: `${method.name} is part of the contract, but this server does not have it yet.`,
      metadata: { method: `${method.parent.typeName}/${method.name}` },
    });
  };
}

type Input = Message | AsyncIterable<Message>;

function once(method: DescMethod, handler: AnyHandler, deps: InvokeDeps): AnyHandler {
  const { actions, scopeOf } = deps;
  return async (input: Input, context: HandlerContext) => {
    const call = callOf(context);
    // What a client streams may take hours, in which its credential can end; one message cannot.
    const lease = method.methodKind === "client_streaming" ? leaseOf(call, context, deps) : null;
    const signal = lease?.signal ?? context.signal;
    try {
      const request = checked(method, input, deps, call, signal);
      // Given up while it was read: many handlers only listen for what comes.
      signal.throwIfAborted();
      const work = Promise.resolve(handler(request, { ...context, signal })) as Promise<Message>;
      call.work = work;
      const response = await orAborted(signal, work);
      call.work = null;
      call.resourceId = actions.get(method)?.resourceId(call.request, response) ?? "";
      call.succeeded = true;
      return response;
    } catch (error) {
      throw toConnectError(signal.aborted ? signal.reason : error, scopeOf(call));
    } finally {
      lease?.release();
    }
  };
}

function streaming(method: DescMethod, handler: AnyHandler, deps: InvokeDeps): AnyHandler {
  return async function* (input: Input, context: HandlerContext) {
    const call = callOf(context);
    const { signal, release } = leaseOf(call, context, deps);
    let iterator: AsyncIterator<unknown> | undefined;
    deps.metrics.openStreams.inc();
    try {
      const request = checked(method, input, deps, call, signal);
      signal.throwIfAborted();
      deps.onOpened(call);
      const output: AsyncIterable<unknown> = handler(request, { ...context, signal });
      iterator = output[Symbol.asyncIterator]();
      while (true) {
        const { done, value } = await orAborted(signal, iterator.next());
        if (done) break;
        yield value;
      }
      call.succeeded = true;
    } catch (error) {
      throw toConnectError(signal.aborted ? signal.reason : error, deps.scopeOf(call));
    } finally {
      deps.metrics.openStreams.dec();
      release();
      // Not awaited: a generator that waits for something else than its signal answers only after that.
      void Promise.resolve(iterator?.return?.()).catch(() => {});
    }
  };
}

function leaseOf(call: Call, { signal }: HandlerContext, { leases, scopeOf }: InvokeDeps): StreamLease {
  try {
    return leases.take(call, signal);
  } catch (error) {
    throw toConnectError(error, scopeOf(call));
  }
}

function checked(
  method: DescMethod,
  input: Input,
  { validator, actions }: InvokeDeps,
  call: Call,
  signal: AbortSignal,
): Input {
  if (!(Symbol.asyncIterator in input)) {
    call.request = input;
    call.resourceId = actions.get(method)?.resourceId(input, null) ?? "";
    validator.check(method.input, input);
    return input;
  }
  return (async function* () {
    for await (const message of input) {
      signal.throwIfAborted();
      call.request ??= message;
      validator.check(method.input, message);
      yield message;
    }
    signal.throwIfAborted();
  })();
}

/**
 * The outcome of `work`, or a rejection with the signal's reason as soon as it aborts. So a handler that ends quietly
 * when it is told to stop does not look as if its stream were complete.
 */
function orAborted<T>(signal: AbortSignal, work: T | Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    Promise.resolve(work)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", onAbort));
  });
}
