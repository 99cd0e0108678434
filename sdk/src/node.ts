import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { createSluiceOn, type Sluice } from "./client.ts";
import { fetchConnection } from "./fetch-connection.ts";
import { type Connection, READ_MAX_BYTES, type SluiceOptions, WRITE_MAX_BYTES } from "./platform.ts";
import type { Bytes } from "./sources.ts";

export * from "./index.ts";

/**
 * A client for Node: one HTTP/2 connection, kept alive by pings.
 * @throws TypeError if the options contradict each other or the address is not one
 */
export function createSluice(options: SluiceOptions): Sluice {
  const connect = options.fetch ? fetchConnection : options.httpVersion === "1.1" ? http1 : http2;
  return createSluiceOn({ connect, openPath }, options);
}

const LIMITS = {
  useBinaryFormat: true,
  readMaxBytes: READ_MAX_BYTES,
  writeMaxBytes: WRITE_MAX_BYTES,
} as const;

/** Without pings a call over a dead connection hangs until its deadline. */
const PINGS = { pingIntervalMs: 20_000, pingTimeoutMs: 10_000, idleConnectionTimeoutMs: 5 * 60_000 };

function http2({ url }: SluiceOptions): Connection {
  const managers = new Set<Http2SessionManager>();
  const open = (): Transport => {
    const sessionManager = new Http2SessionManager(url, PINGS);
    managers.add(sessionManager);
    return createConnectTransport({ baseUrl: url, httpVersion: "2", sessionManager, ...LIMITS });
  };
  let current = open();
  return {
    transport: {
      unary: (...call) => current.unary(...call),
      stream: (...call) => current.stream(...call),
    },
    canStream: true,
    fetch: globalThis.fetch,
    renew() {
      // The old one is not ended: other calls may run on it. It closes by itself when it has been idle.
      for (const manager of managers) if (manager.state() === "closed") managers.delete(manager);
      current = open();
    },
    close() {
      for (const manager of managers) manager.abort();
      managers.clear();
    },
  };
}

function http1({ url }: SluiceOptions): Connection {
  const transport = createConnectTransport({ baseUrl: url, httpVersion: "1.1", ...LIMITS });
  return { transport, canStream: true, fetch: globalThis.fetch, renew: () => {}, close: () => {} };
}

async function openPath(path: string): Promise<Bytes> {
  const { size } = await stat(path);
  return {
    filename: basename(path),
    mediaType: "",
    sizeBytes: size,
    open: () => createReadStream(path, { highWaterMark: 256 * 1024 }),
  };
}
