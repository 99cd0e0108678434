import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { attachment } from "./content-disposition.ts";
import { ObjectNotFoundError } from "./errors.ts";
import { refuse } from "./file-replies.ts";
import type { FileStore } from "./file-store.ts";
import { parseRange } from "./http-range.ts";

/**
 * Answers GET and HEAD of a signed link, with conditions and one range (RFC 9110, 13 and 14).
 * @throws LinkRefusedError, ObjectNotFoundError before anything was sent
 */
export async function sendObject(
  store: FileStore,
  key: string,
  query: URLSearchParams,
  req: IncomingMessage | Http2ServerRequest,
  res: ServerResponse,
): Promise<void> {
  const link = store.verifyLink("GET", key, query);
  const found = await store.describe(key);
  if (!found) throw new ObjectNotFoundError(key);
  const { size, etag } = found;
  res.setHeader("etag", etag);
  res.setHeader("last-modified", found.modified.toUTCString());
  res.setHeader("accept-ranges", "bytes");
  if (listsTag(req.headers["if-none-match"], etag)) {
    res.writeHead(304);
    res.end();
    return;
  }
  const ifRange = req.headers["if-range"];
  const wanted = ifRange === undefined || ifRange === etag ? req.headers.range : undefined;
  const range = req.method === "GET" ? parseRange(wanted, size) : "whole";
  if (range === "unsatisfiable") {
    res.setHeader("content-range", `bytes */${size}`);
    await refuse(req, res, 416, "OBJECT_RANGE_INVALID", `The object has ${size} bytes.`);
    return;
  }
  const { start, end } = range === "whole" ? { start: 0, end: size } : range;
  res.setHeader("content-type", link.mediaType ?? "application/octet-stream");
  res.setHeader("content-disposition", attachment(link.filename));
  res.setHeader("content-length", String(end - start));
  if (range !== "whole") res.setHeader("content-range", `bytes ${start}-${end - 1}/${size}`);
  res.writeHead(range === "whole" ? 200 : 206);
  if (req.method === "GET") await sendBytes(store, key, start, end, res);
  res.end();
}

async function sendBytes(store: FileStore, key: string, start: number, end: number, res: ServerResponse) {
  const away = new AbortController();
  const leave = (): void => away.abort();
  res.once("close", leave);
  try {
    const { body } = await store.get(key, { offset: start, length: end - start }, away.signal);
    for await (const chunk of body) {
      if (!res.write(chunk)) await drained(res, away.signal);
    }
  } catch (error) {
    if (!away.signal.aborted) throw error;
  } finally {
    res.removeListener("close", leave);
  }
}

function drained(res: ServerResponse, away: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(away.reason);
    if (away.aborted) return leave();
    away.addEventListener("abort", leave, { once: true });
    res.once("drain", () => {
      away.removeEventListener("abort", leave);
      resolve();
    });
  });
}

function listsTag(header: string | undefined, etag: string): boolean {
  return (header ?? "").split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
}
