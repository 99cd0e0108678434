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
const RESPONSE_HEADERS = [
  ...connectCors.exposedHeaders,
  "X-Request-Id",
  "Retry-After",
  "Content-Range",
  "Content-Disposition",
  "Sluice-Must-Change-Password",
].join(", ");
const PREFLIGHT_SECONDS = "7200";

/**
 * Lets pages of the given origins (exact, as `https://app.example.org`) call the server from a browser; no others, and
 * none with cookies. Returns a function that answers preflights and says so, and otherwise marks the response.
 */
export function createCors(origins: readonly string[]): (req: NodeRequest, res: NodeResponse) => boolean {
  const allowed = new Set(origins);
  return (req, res) => {
    const { origin } = req.headers;
    const isPreflight = req.method === "OPTIONS" && Boolean(req.headers["access-control-request-method"]);
    if (allowed.size > 0) {
      res.setHeader(
        "vary",
        isPreflight ? "origin, access-control-request-method, access-control-request-headers" : "origin",
      );
    }
    const isAllowed = typeof origin === "string" && allowed.has(origin);
    if (isAllowed) {
      res.setHeader("access-control-allow-origin", origin);
      if (!isPreflight) res.setHeader("access-control-expose-headers", RESPONSE_HEADERS);
    }
    if (!isPreflight) return false;
    if (isAllowed) {
      res.setHeader("access-control-allow-methods", METHODS);
      res.setHeader("access-control-allow-headers", REQUEST_HEADERS);
      res.setHeader("access-control-max-age", PREFLIGHT_SECONDS);
    }
    res.writeHead(isAllowed ? 204 : 403).end();
    return true;
  };
}
