import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { connectDatabase } from "../../../src/database.ts";
import { createCleanup } from "../../../src/lib/cleanup.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";
import { createTestDatabase } from "../../support/postgres.ts";

const STARTING = "the database system is starting up";

/** What a Postgres in recovery says to whoever connects. */
function refusal(message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C57P03\0M${message}\0\0`);
  const head = Buffer.from("E\0\0\0\0", "latin1");
  head.writeUInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}

/** A server that is starting for so many connections, hangs up on so many more, and then is the one at `target`. */
async function startStarting({
  starting,
  gone = 0,
  target,
}: {
  starting: number;
  gone?: number;
  target: string;
}) {
  const { hostname, port } = new URL(target);
  const seen = { connections: 0 };
  const server = createServer((near) => {
    const nth = ++seen.connections;
    near.on("error", () => {});
    if (nth <= starting) return void near.once("data", () => near.end(refusal(STARTING)));
    if (nth <= starting + gone) return void near.destroy();
    const far = connect(Number(port), hostname);
    far.on("error", () => near.destroy());
    near.on("close", () => far.destroy());
    near.pipe(far).pipe(near);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const url = new URL(target);
  url.port = String((server.address() as AddressInfo).port);
  return { url: url.href, host: url.host, seen };
}

async function start(url: string, startMs: number) {
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger("info", { write: (text) => void lines.push(JSON.parse(text)) });
  const cleanup = createCleanup(logger);
  onTestFinished(() => cleanup.run());
  const connected = connectDatabase(url, { name: "test", maxConnections: 2, logger, startMs }, cleanup);
  const outcome = await connected.then(
    (db) => db,
    (error: Error) => error,
  );
  return { outcome, lines };
}

test("a database that is starting is waited for, and said to be, also while it listens to nobody", async () => {
  await using database = await createTestDatabase();
  const { url, host } = await startStarting({ starting: 2, gone: 1, target: database.url });
  const { outcome, lines } = await start(url, 30_000);
  if (outcome instanceof Error) throw outcome;
  expect(await outcome.sql`select 1 as n`).toEqual([{ n: 1 }]);
  expect(lines).toMatchObject([{ level: "warn", database: host, error: STARTING }]);
});

test("a database that goes on starting for too long ends the start in one sentence that says what to do", async () => {
  const { url, host } = await startStarting({ starting: 1_000, target: "postgres://u:p@127.0.0.1:1/d" });
  const { outcome } = await start(url, 1_000);
  expect(outcome).toMatchObject({
    message: `The database at ${host} lets nobody in yet: ${STARTING}. It was waited for 1 s; look into its log, and start this again when it is ready.`,
  });
});

test("a database that is not there at all is not waited for", async () => {
  const { url, host, seen } = await startStarting({
    starting: 0,
    gone: 1_000,
    target: "postgres://u:p@127.0.0.1:1/d",
  });
  const { outcome } = await start(url, 60_000);
  expect(outcome).toMatchObject({
    message: expect.stringMatching(
      new RegExp(`^The database at ${host} does not let us in: .*\\. Start it, or correct DATABASE_URL\\.$`),
    ),
  });
  expect(seen.connections).toBe(1);
});
