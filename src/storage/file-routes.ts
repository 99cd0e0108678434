import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { ObjectTooLargeError } from "./errors.ts";
import { sendObject } from "./file-download.ts";
import { answerError, refuse, sendJson } from "./file-replies.ts";
import type { FileStore } from "./file-store.ts";
import type { StoredObject } from "./object-store.ts";
import { wholeBody } from "./upload-body.ts";

export interface FileRoutesOptions {
  /**
   * Told after a PUT is durable and before it is answered; when it fails, so does the PUT. `key` is the link's;
   * the bytes lie under `storedKey`, a new one for each PUT, so that a link used again changes nothing that is stored.
   */
  readonly onUploaded?: (key: string, storedKey: string, stored: StoredObject) => Promise<void>;
  readonly logger?: { error(fields: object, message: string): void };
}

export interface FileRequestContext {
  /** True for a request of the server's `checkContinue` event: the client waits for our word before it sends. */
  readonly awaitsContinue?: boolean;
}

/** A handler of HTTP/1.1 requests or of HTTP/2's compatibility ones; true when the request was its own. */
export type FileRoutes = (
  req: IncomingMessage | Http2ServerRequest,
  res: ServerResponse | Http2ServerResponse,
  context?: FileRequestContext,
) => Promise<boolean>;

const PREFIX = "/files/";
const SAFE_HEADERS = {
  "x-content-type-options": "nosniff",
  "content-security-policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "cache-control": "private, no-cache",
};

/**
 * Serves the store's signed links: GET and HEAD with one range, PUT with a cap. Returns true when the request was
 * for `/files/…` and has been answered. The link is the only credential, so whoever holds it may use it.
 */
export function createFileRoutes(store: FileStore, options: FileRoutesOptions = {}): FileRoutes {
  return async (req, response, context = {}) => {
    const url = req.url ?? "";
    if (!url.startsWith(PREFIX)) return false;
    // Both kinds have all that is used here; their union has no `write` that could be called.
    const res = response as ServerResponse;
    const end = url.includes("?") ? url.indexOf("?") : url.length;
    const key = url.slice(PREFIX.length, end);
    const query = new URLSearchParams(url.slice(end));
    try {
      for (const [name, value] of Object.entries(SAFE_HEADERS)) res.setHeader(name, value);
      if (req.method === "GET" || req.method === "HEAD") {
        await sendObject(store, key, query, req, res);
      } else if (req.method === "PUT") {
        const { maxBytes } = store.verifyLink("PUT", key, query);
        const cap = maxBytes ?? 0;
        if (Number(req.headers["content-length"] ?? 0) > cap) throw new ObjectTooLargeError(cap);
        if (context.awaitsContinue) res.writeContinue();
        const storedKey = `${key}/${randomUUID()}`;
        const stored = await store.put(storedKey, wholeBody(req), { maxBytes: cap });
        await options.onUploaded?.(key, storedKey, stored);
        await sendJson(req, res, 201, { size: stored.size, sha256: stored.sha256 });
      } else {
        res.setHeader("allow", "GET, HEAD, PUT");
        await refuse(req, res, 405, "METHOD_NOT_ALLOWED", "Use GET, HEAD or PUT here.");
      }
    } catch (error) {
      await answerError(error, req, res, options.logger);
    }
    return true;
  };
}
