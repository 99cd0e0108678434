import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";

type Request = IncomingMessage | Http2ServerRequest;

const IDLE_MS = 60_000;
const LINGER_MS = 2_000;
const LINGER_BYTES = 8 * 1024 * 1024;

/** The client went away, or sent nothing for too long, before its body was complete. */
export class UploadAbortedError extends Error {
  override name = "UploadAbortedError";
}

/**
 * The bytes of a request's body. Ends only when the body is complete: an aborted HTTP/2 stream also emits `end`, so
 * the end is checked against the announced length and the state of the stream.
 * @param idleMs how long the client may send nothing
 * @throws UploadAbortedError
 */
export async function* wholeBody(req: Request, idleMs: number = IDLE_MS): AsyncGenerator<Uint8Array> {
  let aborted = false;
  const abort = (): void => {
    aborted = true;
  };
  req.once("aborted", abort);
  const idle = setTimeout(() => {
    aborted = true;
    req.destroy();
  }, idleMs);
  const declared = req.headers["content-length"];
  let received = 0;
  try {
    // A refusal still goes out over this connection, so leaving the loop early must not end it.
    for await (const chunk of chunksOf(req)) {
      idle.refresh();
      received += chunk.byteLength;
      yield chunk;
    }
  } finally {
    clearTimeout(idle);
    req.removeListener("aborted", abort);
  }
  const stream = "stream" in req ? req.stream : undefined;
  const isBroken = stream !== undefined && (stream.aborted || (stream.rstCode ?? 0) !== 0);
  const isShort = declared !== undefined && received !== Number(declared);
  if (aborted || isBroken || isShort) throw new UploadAbortedError("the upload broke off");
}

async function* chunksOf(req: Request): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of req.iterator({ destroyOnReturn: false })) yield chunk as Uint8Array;
  } catch (error) {
    throw new UploadAbortedError("the upload broke off", { cause: error });
  }
}

/** Reads and drops what the client still sends: at most 8 MiB, for at most 2 s. */
export async function discardRest(req: Request): Promise<void> {
  if (req.readableEnded || req.destroyed) return;
  const timer = new AbortController();
  const ended = new Promise<void>((resolve) => {
    let left = LINGER_BYTES;
    req.on("data", (chunk: Uint8Array) => {
      left -= chunk.byteLength;
      if (left < 0) resolve();
    });
    for (const event of ["end", "close", "error"]) req.once(event, () => resolve());
  });
  await Promise.race([ended, sleep(LINGER_MS, undefined, { signal: timer.signal }).catch(() => {})]);
  timer.abort();
  req.pause();
}
