import { expect, test } from "vitest";
import { openDatabase } from "../../../src/db/sql.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";
import { createTestDatabase } from "../../support/postgres.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { startEdge } from "./edge-harness.ts";

interface Line {
  readonly level: string;
  readonly msg: string;
}

test("a call during an outage of the database answers UNAVAILABLE with what to do, and one warning without a stack is logged", async () => {
  await using database = await createTestDatabase();
  await using proxy = await startTcpProxy(database.url);
  const db = openDatabase({
    url: proxy.url,
    maxConnections: 2,
    statementTimeoutMs: 5_000,
    applicationName: "test",
  });
  const lines: Line[] = [];
  const logger = createLogger("info", { write: (text) => void lines.push(JSON.parse(text) as Line) });
  await using edge = await startEdge({
    logger,
    authenticate: async (_headers, peer) => {
      await db.sql`select 1`;
      const permissions = new Set(["system:read"]);
      const base = {
        userId: "u",
        email: "",
        credential: "jwt",
        credentialId: "s",
        expireTime: null,
      } as const;
      return { ...base, permissions, ...peer };
    },
  });
  const call = async () => {
    const response = await fetch(`${edge.url}/sluice.v1.SystemService/GetServerInfo`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  try {
    expect((await call()).status).toBe(200);
    proxy.down();
    expect(await call()).toMatchObject({
      status: 503,
      body: {
        code: "unavailable",
        message: expect.stringMatching(/^The database did not answer.* Try again/),
        details: [{ debug: { reason: "DATABASE_UNAVAILABLE" } }, { debug: { retryDelay: "1s" } }],
      },
    });
    const loud = lines.filter(({ level }) => level !== "info");
    expect(loud).toMatchObject([
      { level: "warn", method: "sluice.v1.SystemService/GetServerInfo", error: expect.any(String) },
    ]);
    expect(JSON.stringify(lines)).not.toMatch(/"stack"|\n {4}at /);
    proxy.up();
    expect((await call()).status).toBe(200);
  } finally {
    await db.close();
  }
});
