import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { messageOf, SluiceError } from "../lib/errors.ts";
import { LinkRefusedError, ObjectTooLargeError, StorageUnavailableError } from "./errors.ts";
import { discardRest, UploadAbortedError } from "./upload-body.ts";

type Request = IncomingMessage | Http2ServerRequest;

/** Turns a failure into an answer; breaks the connection when part of another answer has gone out. */
export async function answerError(
  error: unknown,
  req: Request,
  res: ServerResponse,
  logger?: { error(fields: object, message: string): void },
): Promise<void> {
  const status = statusOf(error);
  if (status === 500 && !(error instanceof UploadAbortedError)) {
    logger?.error({ error: messageOf(error) }, "a file request failed");
  }
  if (res.headersSent || error instanceof UploadAbortedError) {
    req.destroy();
    return;
  }
  const known = error instanceof SluiceError ? error : null;
  const message = known?.message ?? "The request failed on our side; try it again.";
  await refuse(req, res, status, known?.reason ?? "INTERNAL", message);
}

function statusOf(error: unknown): number {
  if (error instanceof LinkRefusedError) return 403;
  if (error instanceof ObjectTooLargeError) return 413;
  if (error instanceof StorageUnavailableError) return 503;
  if (!(error instanceof SluiceError) || error.kind === "internal") return 500;
  if (error.kind === "invalid_argument") return 400;
  if (error.kind === "resource_exhausted") return 429;
  return error.kind === "not_found" ? 404 : 409;
}

/** Answers with a reason and a sentence. */
export async function refuse(
  req: Request,
  res: ServerResponse,
  status: number,
  reason: string,
  message: string,
): Promise<void> {
  for (const name of ["etag", "last-modified"]) res.removeHeader(name);
  await sendJson(req, res, status, { reason, message });
}

/** Answers with JSON. What an upload that is refused still sends is read for a moment and dropped. */
export async function sendJson(
  req: Request,
  res: ServerResponse,
  status: number,
  fields: object,
): Promise<void> {
  const text = Buffer.from(`${JSON.stringify(fields)}\n`);
  res.setHeader("content-type", "application/json");
  res.setHeader("content-length", String(text.byteLength));
  const isRefusedUpload = status >= 400 && req.method === "PUT";
  if (isRefusedUpload && req.httpVersionMajor === 1) res.setHeader("connection", "close");
  res.writeHead(status);
  if (req.method !== "HEAD") res.write(text);
  // A client that is cut off while it sends may never read the answer.
  if (isRefusedUpload && req.headers.expect === undefined) await discardRest(req);
  res.end();
}
