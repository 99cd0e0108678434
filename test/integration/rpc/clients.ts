import http from "node:http";
import {
  create,
  type DescMethod,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  fromJsonString,
  type Message,
  type MessageInitShape,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { codeFromString, codeToString } from "@connectrpc/connect/protocol-connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";
import { StatusSchema } from "../../../gen/google/rpc/status_pb.ts";

export interface Failed {
  code: string;
  message: string;
  /** Type and base64 of each detail, in order. */
  details: string[];
}

export type Outcome = { message: Message; error?: undefined } | { message?: undefined; error: Failed };

export interface CallOptions {
  headers?: Record<string, string>;
  signal?: AbortSignal;
  timeoutMs?: number;
}

/** A client of one protocol, reduced to what all of them can do. */
export interface TestClient {
  readonly name: string;
  unary<M extends DescMethodUnary>(
    method: M,
    input: MessageInitShape<M["input"]>,
    options?: CallOptions,
  ): Promise<Outcome>;
  /** Calls `onMessage` for each message; resolves with the end. */
  stream<M extends DescMethodServerStreaming>(
    method: M,
    input: MessageInitShape<M["input"]>,
    onMessage: () => void,
    options?: CallOptions,
  ): Promise<Failed | null>;
  close(): void;
}

const pathOf = (method: DescMethod) => `/${method.parent.typeName}/${method.name}`;

function connectClient(name: string, transport: Transport): TestClient {
  return {
    name,
    async unary(method, input, { headers, signal, timeoutMs } = {}) {
      try {
        const { message } = await transport.unary(method, signal, timeoutMs, headers, input as never);
        return { message };
      } catch (error) {
        return { error: fromConnect(error) };
      }
    },
    async stream(method, input, onMessage, { headers, signal, timeoutMs } = {}) {
      const inputs = (async function* () {
        yield input;
      })();
      try {
        const { message } = await transport.stream(method, signal, timeoutMs, headers, inputs as never);
        for await (const _ of message) onMessage();
        return null;
      } catch (error) {
        return fromConnect(error);
      }
    },
    close() {},
  };
}

function fromConnect(reason: unknown): Failed {
  const { code, rawMessage, details } = ConnectError.from(reason);
  const shown = details.map((detail) =>
    "type" in detail ? `${detail.type} ${Buffer.from(detail.value).toString("base64")}` : "",
  );
  return { code: codeToString(code), message: rawMessage, details: shown };
}

function grpcJsClient(port: number): TestClient {
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
    "grpc.max_send_message_length": -1,
  });
  const prepare = (method: DescMethod, headers: Record<string, string> = {}, timeoutMs?: number) => {
    const metadata = new grpc.Metadata();
    for (const [key, value] of Object.entries(headers)) metadata.set(key, value);
    return {
      path: pathOf(method),
      write: (message: Message) => Buffer.from(toBinary(method.input, message)),
      read: (bytes: Buffer) => fromBinary(method.output, bytes),
      metadata,
      options: timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs },
    };
  };
  const failed = ({ code, details, metadata }: grpc.ServiceError): Failed => {
    const bytes = metadata.get("grpc-status-details-bin")[0];
    const status = Buffer.isBuffer(bytes) ? fromBinary(StatusSchema, bytes) : undefined;
    const shown = (status?.details ?? []).map(
      ({ typeUrl, value }) => `${typeUrl.split("/").pop()} ${Buffer.from(value).toString("base64")}`,
    );
    return { code: codeToString(code as number as Code), message: details, details: shown };
  };
  return {
    name: "grpc-js",
    unary: (method, input, { headers, signal, timeoutMs } = {}) =>
      new Promise((resolve) => {
        const { path, write, read, metadata, options } = prepare(method, headers, timeoutMs);
        const message = create(method.input, input as never);
        const call = client.makeUnaryRequest(
          path,
          write,
          read,
          message,
          metadata,
          options,
          (error, value) => {
            resolve(error ? { error: failed(error) } : { message: value as Message });
          },
        );
        signal?.addEventListener("abort", () => call.cancel());
      }),
    stream: (method, input, onMessage, { headers, signal, timeoutMs } = {}) =>
      new Promise((resolve) => {
        const { path, write, read, metadata, options } = prepare(method, headers, timeoutMs);
        const message = create(method.input, input as never);
        const call = client.makeServerStreamRequest(path, write, read, message, metadata, options);
        signal?.addEventListener("abort", () => call.cancel());
        call.on("data", onMessage);
        call.on("end", () => resolve(null));
        call.on("error", (error: grpc.ServiceError) => resolve(failed(error)));
      }),
    close: () => client.close(),
  };
}

interface WireError {
  code?: string;
  message?: string;
  details?: { type: string; value: string }[];
}

/** Plain JSON over HTTP/1.1, as curl sends it. */
function jsonClient(port: number): TestClient {
  const agent = new http.Agent({ keepAlive: true });
  const failed = ({ code = "unknown", message = "", details = [] }: WireError): Failed => ({
    code,
    message,
    details: details.map(({ type, value }) => `${type} ${Buffer.from(value, "base64").toString("base64")}`),
  });
  const post = (path: string, contentType: string, body: string | Buffer, options: CallOptions) => {
    const { headers, signal, timeoutMs } = options;
    return http.request({
      agent,
      port,
      path,
      method: "POST",
      headers: {
        "content-type": contentType,
        "content-length": Buffer.byteLength(body),
        ...(timeoutMs === undefined ? {} : { "connect-timeout-ms": String(timeoutMs) }),
        ...headers,
      },
      ...(signal ? { signal } : {}),
    });
  };
  const canceled: Failed = { code: "canceled", message: "", details: [] };
  return {
    name: "JSON over HTTP/1.1",
    unary: (method, input, options = {}) =>
      new Promise((resolve) => {
        const body = toJsonString(method.input, create(method.input, input as never));
        const request = post(pathOf(method), "application/json", body, options);
        request.on("error", () => resolve({ error: canceled }));
        request.on("response", async (response) => {
          const text = Buffer.concat(await response.toArray()).toString();
          if (response.statusCode === 200) resolve({ message: fromJsonString(method.output, text) });
          else resolve({ error: failed(JSON.parse(text) as WireError) });
        });
        request.end(body);
      }),
    stream: (method, input, onMessage, options = {}) =>
      new Promise((resolve) => {
        const json = toJsonString(method.input, create(method.input, input as never));
        const envelope = Buffer.concat([Buffer.alloc(5), Buffer.from(json)]);
        envelope.writeUInt32BE(envelope.length - 5, 1);
        const request = post(pathOf(method), "application/connect+json", envelope, options);
        request.on("error", () => resolve(canceled));
        request.on("response", (response) => {
          let held = Buffer.alloc(0);
          response.on("error", () => resolve(canceled));
          response.on("data", (chunk: Buffer) => {
            held = Buffer.concat([held, chunk]);
            while (held.length >= 5 && held.length >= 5 + held.readUInt32BE(1)) {
              const end = 5 + held.readUInt32BE(1);
              const isEnd = held[0] === 2;
              const text = held.toString("utf8", 5, end);
              held = held.subarray(end);
              if (!isEnd) onMessage();
              else {
                const { error } = JSON.parse(text) as { error?: WireError };
                resolve(error ? failed(error) : null);
              }
            }
          });
        });
        request.end(envelope);
      }),
    close: () => agent.destroy(),
  };
}

/** Every kind of client that the port serves. */
export function allClients(url: string, port: number): TestClient[] {
  return [
    grpcJsClient(port),
    connectClient("connect-node gRPC", createGrpcTransport({ baseUrl: url })),
    connectClient("gRPC-Web over HTTP/1.1", createGrpcWebTransport({ baseUrl: url, httpVersion: "1.1" })),
    connectClient(
      "Connect binary over HTTP/2",
      createConnectTransport({ baseUrl: url, httpVersion: "2", useBinaryFormat: true }),
    ),
    jsonClient(port),
  ];
}

export { Code, codeFromString };
