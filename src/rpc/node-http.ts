import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest } from "node:http2";

export type NodeRequest = IncomingMessage | Http2ServerRequest;
/** Over HTTP/2 it is a Http2ServerResponse, which has the same methods. */
export type NodeResponse = ServerResponse;
export type NodeHandler = (request: NodeRequest, response: NodeResponse, expectsContinue?: boolean) => void;
