import { createConnectTransport } from "@connectrpc/connect-web";
import type { Connection, SluiceOptions } from "./platform.ts";

/** Calls through `fetch`. */
export function fetchConnection(options: SluiceOptions): Connection {
  const own = options.fetch ?? globalThis.fetch;
  const closed = new AbortController();
  const send: typeof globalThis.fetch = (input, init) => {
    const signals = [closed.signal, init?.signal].filter((signal) => signal != null);
    return own(input, { ...init, signal: AbortSignal.any(signals) });
  };
  const transport = createConnectTransport({ baseUrl: options.url, useBinaryFormat: true, fetch: send });
  return { transport, canStream: false, fetch: send, renew: () => {}, close: () => closed.abort() };
}
