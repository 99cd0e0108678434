import type { NodeRequest, NodeResponse } from "./node-http.ts";

/** What is served is data for programs: a browser shall neither render, guess, frame nor keep it. */
const HEADERS = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cache-control": "no-store",
} as const;
const HSTS = "max-age=31536000";
/** No browser speaks it. */
const GRPC = /^application\/grpc(?!-web)/;

/**
 * Sets the headers that keep browsers safe; a route that knows better replaces them.
 * @param hasTls clients come by https, so browsers shall never try without
 */
export function createSecurityHeaders(hasTls: boolean): (req: NodeRequest, res: NodeResponse) => void {
  const headers = Object.entries(hasTls ? { ...HEADERS, "strict-transport-security": HSTS } : HEADERS);
  return (req, res) => {
    if (GRPC.test(req.headers["content-type"] ?? "")) return;
    for (const [name, value] of headers) res.setHeader(name, value);
  };
}
