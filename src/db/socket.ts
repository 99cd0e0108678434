import { Socket } from "node:net";

/** What the driver knows of its server. */
interface Server {
  readonly host: readonly string[];
  readonly port: readonly number[];
  readonly path?: string | false;
}

/** A connection of the driver, as its owner sees it. */
export interface Connection {
  /** It is gone, whatever the driver makes of that: it tries some losses again without end, and without a word. */
  readonly onLost: () => void;
  /** True when no further connection is to be made: the driver may open one all the same. */
  readonly isOver: () => boolean;
}

/** The other end took the connection and ended it without a word. */
class HungUpError extends Error {
  override name = "HungUpError";
  readonly code = "ECONNRESET";
  constructor() {
    super("the connection was accepted and closed at once");
  }
}

/**
 * Makes the driver's sockets. One on which nothing comes or goes for `silenceMs` is destroyed: what waits on it fails
 * as a lost connection, and the driver opens another. A network that swallows packets would otherwise hold a
 * statement for ever, since the system sends no error for it.
 * @param silenceMs above the driver's connect_timeout and the longest time that a healthy connection with work may be silent
 */
export function createSockets(silenceMs: number, connection?: Connection): (server: Server) => Socket {
  let next = 0;
  let unheard = 0;
  return ({ host, port, path }) => {
    const socket = new Socket();
    if (connection?.isOver()) {
      process.nextTick(() => socket.destroy());
      return socket;
    }
    const onEnd = () => {
      // A driver with several hosts goes on to the next while none has said anything.
      unheard = socket.bytesRead > 0 ? host.length : unheard + 1;
      if (unheard >= host.length) connection?.onLost();
    };
    socket.on("close", onEnd);
    // Without an error: the driver forgets statements that come between a socket's error and its end.
    const giveUp = () => socket.destroy();
    socket.setTimeout(silenceMs);
    socket.on("timeout", giveUp);
    // What accepts and hangs up, as a proxy does before a server that is down, would be tried again for ever by the driver,
    // with its statement waiting.
    socket.on("end", () => {
      if (socket.bytesRead === 0) socket.destroy(new HungUpError());
    });
    // The driver strips a socket of its listeners before it speaks TLS over it.
    socket.on("removeListener", (_event, listener) => {
      if (listener === giveUp) process.nextTick(() => socket.on("timeout", giveUp));
      if (listener === onEnd) process.nextTick(() => socket.on("close", onEnd));
    });
    const at = next++ % host.length;
    // The name that a certificate is checked against.
    Object.assign(socket, { host: host[at], port: port[at] });
    // Once the driver listens: an error that comes at once would be nobody's.
    queueMicrotask(() => {
      if (path) socket.connect(path);
      else socket.connect(port[at] ?? 5432, host[at] ?? "localhost");
    });
    return socket;
  };
}
