import type { ConnectError } from "@connectrpc/connect";
import {
  codeToHttpStatus,
  contentTypeUnaryJson,
  endStreamFlag,
  endStreamToJson,
  errorToJson,
} from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { spellGrpcMessage } from "./grpc-message.ts";
import type { NodeRequest, NodeResponse } from "./node-http.ts";

/** Answers a request that no handler takes, in the protocol in which it came, without reading its body. */
export function refuse(req: NodeRequest, res: NodeResponse, error: ConnectError): void {
  const contentType = req.headers["content-type"] ?? "";
  for (const [name, value] of error.metadata) res.setHeader(name, value);
  if (/^application\/grpc(-web)?\b/.test(contentType)) {
    const headers = new Headers({ "content-type": contentType });
    spellGrpcMessage(headers);
    setTrailerStatus(headers, error);
    // Not by `writeHead`, which leaves the stream open over HTTP/2: the status would then stand in headers, not in trailers.
    for (const [name, value] of headers) res.setHeader(name, value);
    res.end();
  } else if (contentType.startsWith("application/connect+")) {
    const json = JSON.stringify(endStreamToJson(new Headers(), error, undefined));
    const envelope = Buffer.alloc(5 + Buffer.byteLength(json));
    envelope.writeUInt8(endStreamFlag, 0);
    envelope.writeUInt32BE(envelope.length - 5, 1);
    envelope.write(json, 5);
    res.writeHead(200, { "content-type": contentType }).end(envelope);
  } else {
    const body = JSON.stringify(errorToJson(error, undefined));
    res.writeHead(codeToHttpStatus(error.code), { "content-type": contentTypeUnaryJson }).end(body);
  }
}
