import {
  clone,
  create,
  type DescMessage,
  type DescMethodClientStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type DescService,
  type Message,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { createClient, makeAnyClient, type Transport } from "@connectrpc/connect";
import type { Credentials } from "./credentials.ts";
import { cancellable } from "./streams.ts";
import { backoffMs, type Timing } from "./timing.ts";
import { toSluiceError } from "./translate.ts";

/** Options of one call. */
export interface CallOptions {
  /** Ends the call; it then fails with `CANCELLED`. */
  readonly signal?: AbortSignal | undefined;
  /** How long the call may take with all its retries, in milliseconds; 0 = for ever. */
  readonly timeoutMs?: number | undefined;
  readonly headers?: HeadersInit | undefined;
}

/** The typed methods of a service, one for each of its RPCs. */
export type Methods<S extends DescService> = {
  readonly [K in keyof S["method"]]: S["method"][K] extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : S["method"][K] extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageInitShape<I>, options?: CallOptions) => AsyncIterable<MessageShape<O>>
      : S["method"][K] extends DescMethodClientStreaming<infer I, infer O>
        ? (request: AsyncIterable<MessageInitShape<I>>, options?: CallOptions) => Promise<MessageShape<O>>
        : never;
};

/** How often and how fast a call is repeated. */
export interface RetryOptions {
  /** Attempts in all; 1 = never repeat. Default 4. */
  readonly maxAttempts?: number | undefined;
  /** Default 200. */
  readonly baseMs?: number | undefined;
  /** Default 5000. */
  readonly capMs?: number | undefined;
}

export interface CallDeps {
  readonly transport: Transport;
  readonly credentials: Credentials;
  /** Default deadline of unary calls. */
  readonly timeoutMs: number;
  readonly retry: RetryOptions;
  readonly timing: Timing;
  /** The connection may be beyond repair: the next call shall get a new one. */
  readonly renew: () => void;
}

/** An upload may take this long unless the caller says otherwise. */
const UPLOAD_TIMEOUT_MS = 60 * 60_000;

type Unary = (request: Message, options: object) => Promise<Message>;
type ServerStream = (request: Message, options: object) => AsyncIterable<Message>;
type ClientStream = (request: AsyncIterable<unknown>, options: object) => Promise<Message>;

/**
 * Typed methods over a transport: deadline, credential, retries, and errors as `SluiceError`.
 * Repeated are only `UNAVAILABLE` calls that change nothing or carry a `request_id`, which is set here if it is empty.
 */
export function createMethods<S extends DescService>(service: S, deps: CallDeps): Methods<S> {
  const raw = createClient(service, deps.transport) as unknown as Record<string, unknown>;
  return makeAnyClient(service, (method) => {
    const call = raw[method.localName];
    switch (method.methodKind) {
      case "unary":
        return unary(method, call as Unary, deps);
      case "server_streaming":
        return serverStream(method, call as ServerStream, deps);
      default:
        return clientStream(call as ClientStream, deps);
    }
  }) as unknown as Methods<S>;
}

function unary(method: DescMethodUnary, call: Unary, deps: CallDeps) {
  const { timing } = deps;
  const { maxAttempts = 4, baseMs = 200, capMs = 5_000 } = deps.retry;
  const readOnly = method.idempotency !== Idempotency.IDEMPOTENCY_UNKNOWN;

  return async (init: MessageInitShape<DescMessage>, options: CallOptions = {}): Promise<Message> => {
    const request = clone(method.input, create(method.input, init));
    const repeatable = readOnly || identify(method.input, request);
    const timeoutMs = options.timeoutMs ?? deps.timeoutMs;
    const endsAt = timeoutMs > 0 ? timing.now() + timeoutMs : Number.POSITIVE_INFINITY;
    let refused = false;
    for (let attempt = 1; ; attempt++) {
      const headers = new Headers(options.headers);
      try {
        options.signal?.throwIfAborted();
        const authorization = await authorize(deps, headers);
        try {
          const left = Math.ceil(endsAt - timing.now());
          return await call(request, {
            headers,
            timeoutMs: Number.isFinite(left) ? Math.max(1, left) : 0,
            ...(options.signal && { signal: options.signal }),
          });
        } catch (error) {
          const failure = toSluiceError(error, options.signal);
          if (failure.code !== "unauthenticated" || refused || !deps.credentials.refused(authorization))
            throw failure;
          refused = true;
        }
      } catch (error) {
        const failure = toSluiceError(error, options.signal);
        if (isSpoilt(failure.cause)) deps.renew();
        if (failure.code !== "unavailable" || !repeatable || attempt >= maxAttempts) throw failure;
        const delay = failure.retryAfterMs ?? backoffMs(attempt, baseMs, capMs, timing.random);
        if (timing.now() + delay >= endsAt) throw failure;
        await timing.sleep(delay, options.signal).catch((reason) => {
          throw toSluiceError(reason, options.signal);
        });
      }
    }
  };
}

function serverStream(method: DescMethodServerStreaming, call: ServerStream, deps: CallDeps) {
  return (init: MessageInitShape<DescMessage>, options: CallOptions = {}): AsyncIterable<Message> =>
    cancellable(options.signal, async function* (signal) {
      const request = create(method.input, init);
      for (let first = true; ; first = false) {
        const headers = new Headers(options.headers);
        const authorization = await authorize(deps, headers);
        let begun = false;
        try {
          for await (const message of call(request, { headers, signal, timeoutMs: options.timeoutMs ?? 0 })) {
            begun = true;
            yield message;
          }
          return;
        } catch (error) {
          const failure = toSluiceError(error, signal);
          if (isSpoilt(failure.cause)) deps.renew();
          const again = first && !begun && failure.code === "unauthenticated";
          if (!again || !deps.credentials.refused(authorization)) throw failure;
        }
      }
    });
}

function clientStream(call: ClientStream, deps: CallDeps) {
  return async (requests: AsyncIterable<unknown>, options: CallOptions = {}): Promise<Message> => {
    const headers = new Headers(options.headers);
    try {
      options.signal?.throwIfAborted();
      await authorize(deps, headers);
      return await call(requests, {
        headers,
        timeoutMs: options.timeoutMs ?? UPLOAD_TIMEOUT_MS,
        ...(options.signal && { signal: options.signal }),
      });
    } catch (error) {
      const failure = toSluiceError(error, options.signal);
      // A body that was refused half-way can leave a connection on which every later call fails.
      if (!options.signal?.aborted) deps.renew();
      throw failure;
    }
  };
}

async function authorize({ credentials }: CallDeps, headers: Headers): Promise<string | undefined> {
  if (headers.has("authorization")) return headers.get("authorization") ?? undefined;
  const value = await credentials.header();
  if (value) headers.set("authorization", value);
  return value;
}

/** Sets a missing `request_id`, in the request and in the items of a batch; true if every part has one then. */
function identify(desc: DescMessage, message: Message): boolean {
  const values = message as unknown as Record<string, unknown>;
  if (desc.field.requestId) {
    values.requestId ||= crypto.randomUUID();
    return true;
  }
  const items = desc.fields.find((field) => field.fieldKind === "list" && field.message?.field.requestId);
  if (items?.fieldKind !== "list" || !items.message) return false;
  for (const item of values[items.localName] as Message[]) identify(items.message, item);
  return true;
}

/** True for the failures after which connect-node's HTTP/2 session serves no call any more. */
function isSpoilt(error: unknown): boolean {
  return error instanceof Error && /ENHANCE_YOUR_CALM/.test(error.message);
}
