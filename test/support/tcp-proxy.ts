import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/**
 * Relays connections to a Postgres, and can fall silent as a network does that swallows packets: nothing is closed.
 * Or it delivers late.
 */
export interface TcpProxy extends AsyncDisposable {
  /** The address of the database through the proxy. */
  readonly url: string;
  /** Connections that are open now fall silent for ever; later ones are relayed. */
  silenceOpen(): void;
  /** Every connection falls silent, later ones too. */
  silenceAll(): void;
  /** What is sent from now on, either way, arrives at `release`: late, but complete and in order. */
  hold(): void;
  release(): void;
  /** Connections that were ever made. */
  readonly connections: number;
}

export async function startTcpProxy(target: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(target);
  const pairs = new Set<{ near: Socket; far: Socket | null; silent: boolean }>();
  let silent = false;
  let held = false;
  let connections = 0;
  const server = createServer((near) => {
    connections++;
    const far = silent ? null : connect(Number(port), hostname);
    const pair = { near, far, silent };
    pairs.add(pair);
    near.on("error", () => {});
    near.on("data", (data) => pair.silent || far?.write(data));
    near.on("close", () => {
      pairs.delete(pair);
      far?.destroy();
    });
    far?.on("error", () => {});
    far?.on("data", (data) => pair.silent || near.write(data));
    far?.on("close", () => pair.silent || near.destroy());
    if (held) pause(pair);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = new URL(target);
  url.hostname = "127.0.0.1";
  url.port = String((server.address() as AddressInfo).port);
  const silenceOpen = () => {
    for (const pair of pairs) pair.silent = true;
  };
  return {
    url: url.href,
    silenceOpen,
    silenceAll() {
      silent = true;
      silenceOpen();
    },
    hold() {
      held = true;
      for (const pair of pairs) pause(pair);
    },
    release() {
      held = false;
      for (const { near, far } of pairs) {
        near.resume();
        far?.resume();
      }
    },
    get connections() {
      return connections;
    },
    async [Symbol.asyncDispose]() {
      for (const { near, far } of pairs) {
        near.destroy();
        far?.destroy();
      }
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Leaves what comes in the kernel's buffers. */
function pause({ near, far }: { near: Socket; far: Socket | null }): void {
  near.pause();
  far?.pause();
}
