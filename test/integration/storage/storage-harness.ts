import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import {
  createServer as createHttp1,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createHttp2 } from "node:http2";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFileRoutes } from "../../../src/storage/file-routes.ts";
import { createFileStore } from "../../../src/storage/file-store.ts";
import type { StoredObject } from "../../../src/storage/object-store.ts";

/** A store in a folder of its own behind a real server, with a clock that the test moves. */
export async function startFileServer(protocol: "http1" | "http2" = "http1") {
  const root = mkdtempSync(join(tmpdir(), "sluice files "));
  const clock = { ms: 1_700_000_000_000, now: () => clock.ms };
  const uploads: { key: string; storedKey: string; stored: StoredObject }[] = [];
  const hook = { fail: false };
  const server = protocol === "http1" ? createHttp1() : (createHttp2() as unknown as Server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const port = (server.address() as AddressInfo).port;
  const origin = `http://127.0.0.1:${port}`;
  const store = createFileStore({
    root,
    publicUrl: () => origin,
    signingSecret: "a secret of the test",
    clock,
  });
  const errors: object[] = [];
  const routes = createFileRoutes(store, {
    logger: { error: (fields) => errors.push(fields) },
    async onUploaded(key, storedKey, stored) {
      if (hook.fail) throw new Error("the database said no");
      uploads.push({ key, storedKey, stored });
    },
  });
  const settled: Promise<boolean>[] = [];
  const handle = (awaitsContinue: boolean) => (req: IncomingMessage, res: ServerResponse) => {
    settled.push(
      routes(req, res, { awaitsContinue }).then((mine) => {
        if (!mine) res.writeHead(418).end();
        return mine;
      }),
    );
  };
  server.on("request", handle(false));
  server.on("checkContinue", handle(true));
  return {
    store,
    root,
    clock,
    uploads,
    hook,
    errors,
    origin,
    port,
    /** Waits until every request so far is done with on the server's side. */
    settled: () => Promise.all(settled),
    /** Every file below the root, half-written ones among them; or these alone. */
    files: ({ drafts = false } = {}) =>
      readdirSync(drafts ? join(root, "tmp") : root, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => entry.name),
    [Symbol.asyncDispose]: async () => {
      if ("closeAllConnections" in server) server.closeAllConnections();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** `count` bytes in pieces, told apart by their place. */
export async function* bytes(count: number, pieceSize = 64 * 1024): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < count; at += pieceSize) {
    const piece = Buffer.alloc(Math.min(pieceSize, count - at), at % 251);
    yield piece;
  }
}

export async function collect(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}
