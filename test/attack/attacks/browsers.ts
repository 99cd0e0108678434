import http from "node:http";
import { type Attack, ownOf, type Tried } from "../attack.ts";
import type { Target } from "../target.ts";
import { bearer, call } from "../wire.ts";

const EVIL = [
  "https://evil.example.org",
  "null",
  "http://localhost:1",
  "https://sluice.example.org.evil.example.org",
];

/** With headers that browsers set by themselves. */
function preflight({ host, port }: Target, origin: string): Promise<http.IncomingMessage> {
  const headers = {
    origin,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization",
  };
  const path = "/sluice.v1.JobsService/CreateJob";
  return new Promise((resolve, reject) => {
    http
      .request({ host, port, path, method: "OPTIONS", headers }, (response) => resolve(response.resume()))
      .on("error", reject)
      .end();
  });
}

export const evilOrigins: Attack = {
  name: "CORS with an evil origin",
  async run(target) {
    const tries = EVIL.map(async (origin): Promise<Tried[]> => {
      const { statusCode, headers } = await preflight(target, origin);
      const real = await call(
        target,
        "JobsService/ListJobs",
        {},
        { ...bearer(target.bob.accessToken), origin },
      );
      const allowed =
        headers["access-control-allow-origin"] ?? real.headers.get("access-control-allow-origin");
      return [
        {
          what: `a page of ${origin}`,
          came: `${statusCode} to the preflight, allow-origin: ${allowed ?? "none"}`,
          held: !allowed && real.headers.get("access-control-allow-credentials") === null,
        },
      ];
    });
    return (await Promise.all(tries)).flat();
  },
};

/** The address that the record has of a call that claims another. */
export const forwardedFor: Attack = {
  name: "X-Forwarded-For without a trusted proxy",
  async run(target) {
    const { sql } = ownOf(target);
    const spoofed = "198.51.100.66";
    const requestId = `spoof-${Date.now()}`;
    const headers = {
      ...bearer(target.bob.accessToken),
      "x-forwarded-for": spoofed,
      forwarded: `for=${spoofed}`,
      "x-real-ip": spoofed,
      "x-request-id": requestId,
    };
    await call(target, "JobsService/CreateJob", { text: "x" }, headers);
    const rows = await sql<{ ip: string }[]>`
      select host(ip_address) as ip from audit_logs where request_id = ${requestId}`;
    return [
      {
        what: "a call with another's address in four headers",
        came: `recorded as ${rows.map(({ ip }) => ip).join(", ") || "nothing"}`,
        held: rows.length > 0 && rows.every(({ ip }) => ip === "127.0.0.1"),
      },
    ];
  },
};
