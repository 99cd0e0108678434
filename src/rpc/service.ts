import type { DescService } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";

/** A service with its handlers, as the server takes it. */
export interface ServiceRegistration {
  readonly service: DescService;
  /** Handlers by local method name; methods without one answer UNIMPLEMENTED. */
  readonly handlers: Readonly<Record<string, AnyHandler | undefined>>;
  /** Why anyone may call every method; for services of others, which cannot carry `(sluice.v1.access)`. */
  readonly publicBecause?: string;
}

// biome-ignore lint/suspicious/noExplicitAny: the four shapes of handlers meet here; registerService checks them.
export type AnyHandler = (request: any, context: any) => any;

/**
 * Joins a service's contract with its handlers. Handlers are plain functions `(request, context)`, keyed by the
 * method's name in lower camel case; they get validated requests, throw `SluiceError`s, and find the caller with
 * `callerOf(context)`. Those that stream return an async iterable; `context.signal` aborts when the client leaves,
 * the deadline passes, the credential ends or the server stops.
 */
export function registerService<S extends DescService>(
  service: S,
  handlers: Partial<ServiceImpl<S>>,
  options: { readonly publicBecause?: string } = {},
): ServiceRegistration {
  return { service, handlers: handlers as Record<string, AnyHandler>, ...options };
}
