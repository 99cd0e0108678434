import http from "node:http";
import http2 from "node:http2";
import { type AddressInfo, createServer, type Socket } from "node:net";
import tls from "node:tls";
import type { Clock } from "../lib/clock.ts";
import { isLoopback, plainAddress } from "../lib/network.ts";
import { createConnectionCounts } from "./connections.ts";
import type { NodeHandler } from "./node-http.ts";
import { createSessions } from "./sessions.ts";

export interface ListenerLimits {
  /** For the first bytes of a connection, a TLS handshake and the headers of a request. */
  readonly headersMs: number;
  /** For one whole HTTP/1.1 request; slow bodies are found sooner, see body.ts. */
  readonly requestMs: number;
  readonly keepAliveMs: number;
  readonly maxHeaderBytes: number;
  readonly maxStreamsPerSession: number;
  /** Of an IPv4 address or an IPv6 /64 network; each may carry one HTTP/2 session. */
  readonly maxConnectionsPerAddress: number;
  readonly pingIntervalMs: number;
  readonly sessionIdleMs: number;
  readonly maxResets: number;
}

export interface ListenerOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer } | undefined;
  readonly limits: ListenerLimits;
  /** True for an address that brings the connections of many clients. */
  readonly isProxy?: (ipAddress: string) => boolean;
  readonly clock: Clock;
  readonly handler: NodeHandler;
}

export interface Listener {
  /** @throws ListenError with what to do */
  listen(): Promise<{ url: string; port: number }>;
  /** Takes no new connections, and no new requests on those that are open. */
  close(): void;
  /** Closes connections that carry no request; to be repeated, since they become idle one by one. */
  closeIdle(): void;
  destroy(): void;
  readonly openConnections: number;
}

/** The address cannot be listened on. */
export class ListenError extends Error {
  override name = "ListenError";
}

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const TLS_HANDSHAKE = 0x16;
const CLEARTEXT_REFUSED =
  "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\nThis port speaks TLS: use https.\n";

/** One port for HTTP/1.1, HTTP/2 and, with a certificate, TLS: the first bytes of a connection tell which it is. */
export function createListener({
  host,
  port,
  limits,
  isProxy = () => false,
  clock,
  handler,
  ...options
}: ListenerOptions): Listener {
  const sockets = new Set<Socket>();
  const connections = createConnectionCounts(limits.maxConnectionsPerAddress, isProxy);
  const sessions = createSessions(
    { pingIntervalMs: limits.pingIntervalMs, idleMs: limits.sessionIdleMs, maxResets: limits.maxResets },
    clock,
  );

  const h1 = http.createServer(
    {
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: Math.min(1_000, limits.headersMs / 2),
      maxHeaderSize: limits.maxHeaderBytes,
      noDelay: true,
    },
    (req, res) => handler(req, res),
  );
  h1.on("checkContinue", (req, res) => handler(req, res, true));
  const h2 = http2.createServer(
    {
      settings: {
        maxConcurrentStreams: limits.maxStreamsPerSession,
        initialWindowSize: 256 * 1024,
        maxHeaderListSize: limits.maxHeaderBytes,
      },
    },
    (req, res) => onStream(req, res, false),
  );
  // A turn later it is known whether the client has reset the stream as soon as it had opened it: then it costs no more.
  const onStream = (req: http2.Http2ServerRequest, res: http2.Http2ServerResponse, waits: boolean) => {
    if (!sessions.isResetting(req.stream.session)) return toHandler(req, res, waits);
    setImmediate(() => {
      if (!req.stream.closed && !req.stream.destroyed) toHandler(req, res, waits);
    });
  };
  // The setting above is advice to clients, and Node takes four times as much.
  const toHandler = (req: http2.Http2ServerRequest, res: http2.Http2ServerResponse, waits: boolean) => {
    if (headerBytes(req.rawHeaders) <= limits.maxHeaderBytes) {
      handler(req, res as unknown as http.ServerResponse, waits);
    } else {
      res.once("finish", () => req.stream.close());
      res.writeHead(431).end();
    }
  };
  h2.on("checkContinue", (req, res) => onStream(req, res, true));
  h2.on("session", sessions.add);
  h2.on("sessionError", () => {});

  // h1 itself listens, and only its own connection listener is taken off: a http.Server that never listens has no
  // header timeout, and its closeIdleConnections does nothing.
  const serveH1 = h1.listeners("connection");
  h1.removeAllListeners("connection");
  const toH1 = (socket: Socket) => {
    for (const listener of serveH1) listener.call(h1, socket);
  };
  const toH2 = (socket: Socket) => {
    // Half-open, the session of a client that just hangs up would stay for ever.
    socket.allowHalfOpen = false;
    h2.emit("connection", socket);
  };
  const secure =
    options.tls &&
    tls.createServer({
      ...options.tls,
      ALPNProtocols: ["h2", "http/1.1"],
      minVersion: "TLSv1.2",
      handshakeTimeout: limits.headersMs,
    });
  secure?.on("secureConnection", (socket) => (socket.alpnProtocol === "h2" ? toH2(socket) : toH1(socket)));
  secure?.on("tlsClientError", (_error, socket) => socket.destroy());

  const route = (socket: Socket, first: Buffer) => {
    if (secure && first[0] === TLS_HANDSHAKE) {
      socket.allowHalfOpen = false;
      secure.emit("connection", socket);
    } else if (secure && !isLoopback(plainAddress(socket.remoteAddress ?? ""))) {
      socket.end(CLEARTEXT_REFUSED);
    } else if (first.subarray(0, PREFACE.length).equals(PREFACE)) {
      toH2(socket);
    } else {
      toH1(socket);
    }
  };

  h1.on("connection", (socket) => {
    const ended = connections.admit(socket.remoteAddress ?? "");
    if (!ended) return socket.destroy();
    sockets.add(socket);
    socket.once("close", () => {
      sockets.delete(socket);
      ended();
    });
    sniff(socket, limits.headersMs, route);
  });

  return {
    listen: () =>
      new Promise((resolve, reject) => {
        const onError = (error: NodeJS.ErrnoException) => reject(listenError(error, host, port));
        h1.once("error", onError);
        h1.listen(port, host, () => {
          h1.off("error", onError);
          // Too many open files, say: the next connection may work.
          h1.on("error", () => {});
          const bound = (h1.address() as AddressInfo).port;
          const name = host.includes(":") ? `[${host}]` : host;
          resolve({ url: `${secure ? "https" : "http"}://${name}:${bound}`, port: bound });
        });
      }),
    close() {
      h1.close();
      sessions.closeAll();
    },
    closeIdle: () => h1.closeIdleConnections(),
    destroy() {
      sessions.destroyAll();
      for (const socket of sockets) socket.destroy();
    },
    get openConnections() {
      return sockets.size;
    },
  };
}

/** What the headers would take in HTTP/1.1. */
function headerBytes(rawHeaders: readonly string[]): number {
  let bytes = 0;
  for (const part of rawHeaders) bytes += part.length + 2;
  return bytes;
}

/** Waits until the first bytes tell the protocol; a preface may come in pieces. */
function sniff(socket: Socket, timeoutMs: number, route: (socket: Socket, first: Buffer) => void): void {
  let held: Buffer = Buffer.alloc(0);
  const onError = () => {};
  socket.on("error", onError);
  const timer = setTimeout(() => socket.destroy(), timeoutMs);
  const onReadable = () => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    held = Buffer.concat([held, chunk]);
    const known = Math.min(held.length, PREFACE.length);
    if (known < PREFACE.length && held.equals(PREFACE.subarray(0, known))) return;
    stop();
    socket.unshift(held);
    route(socket, held);
  };
  const stop = () => {
    clearTimeout(timer);
    socket.off("readable", onReadable);
    socket.off("end", onEnd);
  };
  const onEnd = () => socket.destroy();
  socket.on("readable", onReadable);
  socket.once("end", onEnd);
  socket.once("close", stop);
}

/**
 * Finds out before anything else is started whether the address can be had; another program may still be quicker.
 * @throws ListenError
 */
export async function assertCanListen(host: string, port: number): Promise<void> {
  const probe = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      probe.once("error", reject).listen(port, host, resolve);
    });
  } catch (error) {
    throw listenError(error as NodeJS.ErrnoException, host, port);
  } finally {
    probe.close();
  }
}

function listenError({ code, message }: NodeJS.ErrnoException, host: string, port: number): ListenError {
  const at = `Port ${port} on ${host}`;
  switch (code) {
    case "EADDRINUSE":
      return new ListenError(`${at} is already in use; stop the other program or set SLUICE_ADDR.`);
    case "EACCES":
      return new ListenError(
        `${at} needs more rights than this user has; set SLUICE_ADDR to a port above 1023.`,
      );
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new ListenError(`${host} is not an address of this machine; set SLUICE_ADDR to one that is.`);
    default:
      return new ListenError(`Cannot listen on ${host}:${port}: ${message}`);
  }
}
