import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/**
 * Relays connections to a Postgres, and can fall silent as a network does that swallows packets: nothing is closed.
 * Or it delivers late, or is away as a server is that is down, or loses an answer.
 */
export interface TcpProxy extends AsyncDisposable {
  /** The address of the database through the proxy. */
  readonly url: string;
  /** Connections that are open now fall silent for ever; later ones are relayed. */
  silenceOpen(): void;
  /** Connections that are open now are reset: whoever writes or reads gets an error. */
  resetOpen(): void;
  /** Every connection falls silent, later ones too. */
  silenceAll(): void;
  /** What is sent from now on, either way, arrives at `release`: late, but complete and in order. */
  hold(): void;
  release(): void;
  /** Every connection is cut, and later ones as soon as they are made, until `up`. */
  down(): void;
  up(): void;
  /** Connections that came while it was down. */
  readonly refused: number;
  /** Cuts each connection that is open now. */
  cut(): void;
  /**
   * The next statement whose text is sent with `text` in it is carried out, and instead of its answer the connection is
   * cut. Resolves when that was done. A statement that its connection has prepared before is sent without its text.
   */
  loseAnswerTo(text: string): Promise<void>;
  /** Connections that were ever made. */
  readonly connections: number;
}

/** The server's word, outside of a transaction, that a statement is done. */
const READY = Buffer.from("Z\0\0\0\x05I", "latin1");

interface Loss {
  readonly text: string;
  lost(): void;
}

export async function startTcpProxy(target: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(target);
  const pairs = new Set<{ near: Socket; far: Socket | null; silent: boolean; asked: Loss | null }>();
  let silent = false;
  let held = false;
  let connections = 0;
  let isDown = false;
  let refused = 0;
  let losses: Loss[] = [];
  const server = createServer((near) => {
    connections++;
    if (isDown) {
      refused++;
      near.on("error", () => {});
      near.destroy();
      return;
    }
    const far = silent ? null : connect(Number(port), hostname);
    const pair = { near, far, silent, asked: null as Loss | null };
    pairs.add(pair);
    near.on("error", () => {});
    near.on("data", (data) => {
      pair.asked ??= losses.find(({ text }) => data.includes(text)) ?? null;
      if (!pair.silent) far?.write(data);
    });
    near.on("close", () => {
      pairs.delete(pair);
      far?.destroy();
    });
    far?.on("error", () => {});
    far?.on("data", (data) => {
      const { asked } = pair;
      if (asked && losses.includes(asked) && data.includes(READY)) {
        losses = losses.filter((loss) => loss !== asked);
        near.destroy();
        asked.lost();
      } else if (!pair.silent) near.write(data);
    });
    far?.on("close", () => pair.silent || near.destroy());
    if (held) pause(pair);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = new URL(target);
  url.hostname = "127.0.0.1";
  url.port = String((server.address() as AddressInfo).port);
  const cut = () => {
    for (const { near } of pairs) near.destroy();
  };
  const silenceOpen = () => {
    for (const pair of pairs) pair.silent = true;
  };
  return {
    url: url.href,
    silenceOpen,
    resetOpen() {
      for (const { near } of pairs) near.resetAndDestroy();
    },
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
    down() {
      isDown = true;
      cut();
    },
    up() {
      isDown = false;
    },
    get refused() {
      return refused;
    },
    cut,
    loseAnswerTo: (text) => new Promise((lost) => void losses.push({ text, lost })),
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
