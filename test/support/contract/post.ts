import http from "node:http";
import type { DescMethod } from "@bufbuild/protobuf";
import { answersOnce, pathOf } from "./methods.ts";

/** One message of a stream, as gRPC, gRPC-Web and Connect put it. */
export interface Frame {
  readonly flag: number;
  readonly data: Buffer;
}

export function envelope(flag: number, data: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flag, 0);
  head.writeUInt32BE(data.length, 1);
  return Buffer.concat([head, data]);
}

/** The frames that are whole. */
export function readEnvelopes(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at + 5 <= bytes.length; ) {
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    if (end > bytes.length) break;
    frames.push({ flag: bytes[at] ?? 0, data: bytes.subarray(at + 5, end) });
    at = end;
  }
  return frames;
}

export interface Post {
  readonly agent: http.Agent;
  readonly host: string;
  readonly port: number;
  readonly method: DescMethod;
  readonly type: string;
  /** Null: announced and never sent. */
  readonly body: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
  /** The flag of the frame that ends the answer; without it the answer is no frames. */
  readonly endFlag?: number;
  readonly patienceMs?: number | undefined;
}

export interface Posted {
  readonly status: number;
  readonly head: http.IncomingHttpHeaders;
  readonly text: string;
  readonly frames: readonly Frame[];
}

const CALL_MS = 20_000;

/** Posts a call and takes its answer; of a stream only up to its first message. @throws after 20 s */
export function post({
  agent,
  host,
  port,
  method,
  type,
  body,
  headers,
  endFlag,
  patienceMs,
}: Post): Promise<Posted> {
  return new Promise((resolve, reject) => {
    const request = http.request({
      // A connection with half a call cannot carry another.
      agent: body ? agent : false,
      host,
      port,
      path: pathOf(method),
      method: "POST",
      timeout: CALL_MS,
      headers: { "content-type": type, "content-length": body?.length ?? 100, ...headers },
    });
    if (patienceMs !== undefined && endFlag !== undefined && !answersOnce(method)) {
      const opened = (): void => {
        resolve({ status: 200, head: {}, text: "", frames: [] });
        request.destroy();
      };
      setTimeout(opened, patienceMs).unref();
    }
    request.on("timeout", () => request.destroy(new Error("not answered")));
    request.on("error", reject);
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      const done = (): void => {
        const bytes = Buffer.concat(chunks);
        const frames = endFlag === undefined ? [] : readEnvelopes(bytes);
        resolve({ status: response.statusCode ?? 0, head: response.headers, text: bytes.toString(), frames });
        if (!body || !response.complete) request.destroy();
      };
      response.on("error", () => {});
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        if (endFlag !== undefined && !answersOnce(method) && readEnvelopes(Buffer.concat(chunks)).length > 0)
          done();
      });
      response.on("end", done);
    });
    if (body) request.end(body);
    else request.flushHeaders();
  });
}
