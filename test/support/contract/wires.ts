import http from "node:http";
import {
  createRegistry,
  type DescMethod,
  fromBinary,
  fromJsonString,
  type Message,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { file_google_rpc_error_details } from "../../../gen/google/rpc/error_details_pb.ts";
import { answersOnce, pathOf } from "./methods.ts";
import { envelope, post } from "./post.ts";

/** What a call came to. */
export interface Answer {
  /** As in JSON: `ok`, `not_found` … */
  readonly code: string;
  /** The error as it came, readable, every detail with it; empty if it is none. */
  readonly error: string;
  /** Of an answer that is whole; of a stream the first one. */
  readonly message: Message | null;
}

export interface WireCall {
  readonly method: DescMethod;
  /** Null: the body is announced and never sent. */
  readonly request: Message | null;
  readonly headers: Readonly<Record<string, string>>;
  /** How long a stream may be silent before it counts as one that was opened; unset = it does not. */
  readonly patienceMs?: number;
}

/** One of the protocols of the port. A stream that begins with a message is left after it. */
export interface Wire {
  readonly name: string;
  call(call: WireCall): Promise<Answer>;
  close(): void;
}

const CODES = Object.fromEntries(
  Object.entries(grpc.status).map(([name, number]) => [String(number), name.toLowerCase()]),
);
const CALL_MS = 20_000;

/** A call that never sends its body must be answered all the same. */
export function allWires(port: number, host = "127.0.0.1"): Wire[] {
  return [grpcWire(host, port), grpcWebWire(host, port), jsonWire(host, port)];
}

const readable = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

function grpcWire(host: string, port: number): Wire {
  const open = () => new grpc.Client(`${host}:${port}`, grpc.credentials.createInsecure());
  const shared = open();
  return {
    name: "gRPC",
    call: ({ method, request, headers, patienceMs }) =>
      new Promise((resolve) => {
        const metadata = new grpc.Metadata();
        for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
        const identity = (bytes: Buffer): Buffer => bytes;
        const deadline = Date.now() + CALL_MS;
        // A session whose calls mostly break off is ended, so each that will has one of its own.
        const client = request ? shared : open();
        // Fits every kind of method, and lets the body wait.
        const call = client.makeBidiStreamRequest(pathOf(method), identity, identity, metadata, { deadline });
        let message: Message | null = null;
        const opened = (): void => {
          resolve({ code: "ok", error: "", message });
          call.cancel();
        };
        if (patienceMs !== undefined && !answersOnce(method)) setTimeout(opened, patienceMs).unref();
        call.on("data", (bytes: Buffer) => {
          message ??= fromBinary(method.output, bytes);
          if (!answersOnce(method)) opened();
        });
        call.on("error", () => {});
        call.on("status", (status: grpc.StatusObject) => {
          const code =
            CODES[String(status.code)] === "cancelled"
              ? "canceled"
              : (CODES[String(status.code)] ?? "unknown");
          const [details] = status.metadata.get("grpc-status-details-bin");
          const error = code === "ok" ? "" : `${status.details}\n${readable(Buffer.from(details ?? ""))}`;
          resolve({ code, error, message });
          if (!request) client.close();
        });
        if (request) {
          call.write(Buffer.from(toBinary(method.input, request)));
          call.end();
        }
      }),
    close: () => shared.close(),
  };
}

/** Over HTTP/1.1, as browsers without HTTP/2 do. */
function grpcWebWire(host: string, port: number): Wire {
  const agent = new http.Agent({ keepAlive: true });
  return {
    name: "gRPC-Web",
    async call({ method, request, headers, patienceMs }) {
      const body = request && envelope(0, toBinary(method.input, request));
      const type = "application/grpc-web+proto";
      const { head, frames } = await post({
        agent,
        host,
        port,
        method,
        type,
        body,
        headers,
        endFlag: 0x80,
        patienceMs,
      });
      const trailer = frames.find(({ flag }) => flag === 0x80);
      const fields = trailer
        ? parseTrailer(trailer.data.toString("latin1"))
        : (head as Record<string, string>);
      const data = frames.find(({ flag }) => flag === 0);
      const message = data ? fromBinary(method.output, data.data) : null;
      if (!trailer && fields["grpc-status"] === undefined) return { code: "ok", error: "", message };
      const code = CODES[fields["grpc-status"] ?? ""] ?? "unknown";
      const details = Buffer.from(fields["grpc-status-details-bin"] ?? "", "base64");
      const error =
        code === "ok" ? "" : `${decodeURIComponent(fields["grpc-message"] ?? "")}\n${readable(details)}`;
      return { code, error, message };
    },
    close: () => agent.destroy(),
  };
}

function parseTrailer(text: string): Record<string, string> {
  const lines = text.split("\r\n").filter(Boolean);
  return Object.fromEntries(lines.map((line) => line.split(/:\s*/, 2) as [string, string]));
}

interface WireError {
  readonly code?: string;
  readonly message?: string;
  readonly details?: readonly { readonly type: string; readonly value: string }[];
}

/** JSON over HTTP/1.1, as curl sends it. */
function jsonWire(host: string, port: number): Wire {
  const agent = new http.Agent({ keepAlive: true });
  const failed = ({ code = "unknown", message = "", details = [] }: WireError): Answer => ({
    code,
    error: [
      message,
      ...details.map(({ type, value }) => `${type} ${readable(Buffer.from(value, "base64"))}`),
    ].join("\n"),
    message: null,
  });
  return {
    name: "JSON",
    async call({ method, request, headers, patienceMs }) {
      const json = request && Buffer.from(toJsonString(method.input, request));
      if (method.methodKind === "unary") {
        const { status, text } = await post({
          agent,
          host,
          port,
          method,
          type: "application/json",
          body: json,
          headers,
        });
        if (status !== 200) return failed(JSON.parse(text) as WireError);
        return { code: "ok", error: "", message: messageOf(method, text) };
      }
      const body = json && envelope(0, json);
      const type = "application/connect+json";
      const { frames } = await post({
        agent,
        host,
        port,
        method,
        type,
        body,
        headers,
        endFlag: 2,
        patienceMs,
      });
      const end = frames.find(({ flag }) => flag === 2);
      const { error } = JSON.parse(end?.data.toString() ?? "{}") as { error?: WireError };
      const data = frames.find(({ flag }) => flag === 0);
      if (error) return failed(error);
      return { code: "ok", error: "", message: data ? messageOf(method, data.data.toString()) : null };
    },
    close: () => agent.destroy(),
  };
}

const DETAILS = createRegistry(file_google_rpc_error_details);

function messageOf(method: DescMethod, text: string): Message {
  return fromJsonString(method.output, text, { registry: DETAILS });
}
