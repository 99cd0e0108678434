import { cors as connectCors } from "@connectrpc/connect";
import type { NodeRequest, NodeResponse } from "./node-http.ts";

const METHODS = [...connectCors.allowedMethods, "PUT", "HEAD"].join(", ");
const REQUEST_HEADERS = [
  ...connectCors.allowedHeaders,
  "Authorization",
  "X-Api-Key",
  "X-Request-Id",
  "Range",
].join(", ");
const RESPONSE_HEADERS = [...connectCors.exposedHeaders, "X-Request-Id", "Retry-After", "Content-Range"].join(
  ", ",
);

/**
 * Lets pages of the given origins (exact, as `https://app.example.org`) call the server from a browser; no others.
 * Returns a function that answers preflights and says so, and otherwise marks the response.
 */
export function createCors(origins: readonly string[]): (req: NodeRequest, res: NodeResponse) => boolean {
  const allowed = new Set(origins);
  return (req, res) => {
    const { origin } = req.headers;
    if (allowed.size > 0) res.setHeader("vary", "origin");
    const isAllowed = typeof origin === "string" && allowed.has(origin);
    if (isAllowed) {
      res.setHeader("access-control-allow-origin", origin);
      res.setHeader("access-control-expose-headers", RESPONSE_HEADERS);
    }
    if (req.method !== "OPTIONS" || !req.headers["access-control-request-method"]) return false;
    if (isAllowed) {
      res.setHeader("access-control-allow-methods", METHODS);
      res.setHeader("access-control-allow-headers", REQUEST_HEADERS);
      res.setHeader("access-control-max-age", "7200");
    }
    res.writeHead(isAllowed ? 204 : 403).end();
    return true;
  };
}
