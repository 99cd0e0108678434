import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer, type Socket } from "node:net";
import postgres from "postgres";
import { expect, onTestFinished, test } from "vitest";
import { type Connection, createSockets } from "../../../src/db/socket.ts";
import { type Database, isConnectionLoss, openDatabase } from "../../../src/db/sql.ts";
import { createStatementPool } from "../../../src/db/statements.ts";
import { createTestDatabase } from "../../support/postgres.ts";
import { until } from "../../support/until.ts";

/** Something that takes connections where a database is expected. */
async function listen(
  onConnection: (socket: Socket) => void,
): Promise<{ port: number; connections: () => number }> {
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.on("error", () => {});
    onConnection(socket);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return { port: (server.address() as AddressInfo).port, connections: () => connections };
}

function open(url: string): Database {
  const db = openDatabase({
    url,
    maxConnections: 2,
    statementTimeoutMs: 2_000,
    answerMarginMs: 500,
    applicationName: "test",
  });
  onTestFinished(() => db.close());
  return db;
}

/** Connections that end only when their pool ends them. */
function connector(url: string, name: string): (connection: Connection) => postgres.Sql {
  return (connection) =>
    postgres(url, {
      max: 1,
      idle_timeout: 0,
      connection: { application_name: name },
      ...{ socket: createSockets(60_000, connection) },
    });
}

test.each(["postgres", "postgres with TLS"])(
  "what answers something else and hangs up is a loss, for statements and transactions, and is not stormed: %s",
  async (kind) => {
    const there = await listen((socket) =>
      socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")),
    );
    const query = kind === "postgres" ? "" : "?sslmode=require";
    const db = open(`postgres://u:p@127.0.0.1:${there.port}/d${query}`);
    const ends = await Promise.allSettled([
      db.sql`select 1`,
      db.sql`select 2`,
      db.begin((tx) => tx`select 3`),
    ]);
    for (const end of ends) expect(end.status === "rejected" && isConnectionLoss(end.reason)).toBe(true);
    expect(there.connections()).toBeLessThan(10);
  },
);

test("a connection that is retired ends when its last statement is answered, also when everything is closed meanwhile", async () => {
  const database = await createTestDatabase();
  onTestFinished(() => database.drop());
  const db = open(database.url);
  const name = `retired ${database.name}`;
  const pool = createStatementPool(connector(database.url, name), { max: 2, idleMs: 60_000, oldMs: 0 });
  const alive = async () =>
    (await db.sql`select from pg_stat_activity where application_name = ${name}`).length;
  const slow = pool.sql`select pg_sleep(0.5)`.then(() => "answered");
  await until(async () => (await alive()) === 1, "it is under way");
  // The next statement finds the first connection too old.
  await pool.sql`select 1`;
  const closed = pool.close();
  expect(await slow).toBe("answered");
  await closed;
  await until(async () => (await alive()) === 0, "no connection is left");
});

test("a statement that was given up is not carried out when the database is well again", async () => {
  const database = await createTestDatabase();
  onTestFinished(() => database.drop());
  const url = new URL(database.url);
  const target = Number(url.port);
  let isWell = false;
  const { port } = await listen((near) => {
    const far = new (near.constructor as typeof Socket)().connect(target, url.hostname);
    far.on("error", () => {});
    near.pipe(far);
    // Cut in the middle of the handshake, after the first answer.
    far.on("data", (data) => (isWell ? near.write(data) : near.end(data.subarray(0, 5))));
    near.on("close", () => far.destroy());
    far.on("close", () => near.destroy());
  });
  url.port = String(port);
  const db = open(url.href);
  await expect(db.sql`create table given_up ()`).rejects.toSatisfy(isConnectionLoss);
  await expect(db.begin((tx) => tx`create table given_up_too ()`)).rejects.toSatisfy(isConnectionLoss);
  isWell = true;
  const tables = await db.sql`select tablename from pg_tables where tablename like 'given_up%'`;
  expect(tables).toEqual([]);
});

test("a transaction in which a statement failed does not pass for committed, though its work has caught the failure", async () => {
  const database = await createTestDatabase();
  onTestFinished(() => database.drop());
  const db = open(database.url);
  await db.sql`create table t (n int primary key)`;
  const work = db.begin(async (tx) => {
    await tx`insert into t values (1)`;
    await tx`insert into t values (1)`.catch(() => {});
  });
  await expect(work).rejects.toThrow("was rolled back");
  expect(await db.sql`select * from t`).toEqual([]);
});

test("a statement that cannot be written never gets, nor makes others get, the answer to another one", async () => {
  const database = await createTestDatabase();
  onTestFinished(() => database.drop());
  const pool = createStatementPool(connector(database.url, "one"), { max: 1, idleMs: 60_000, oldMs: 60_000 });
  onTestFinished(() => pool.close());
  const dated = (date: Date, own: number) => pool.sql`select ${date}::timestamptz, ${own}::int as own`;
  // The driver knows its parameters from now on, and writes it while the one before it is under way.
  await dated(new Date(), 0);
  const outcomes = await Promise.allSettled([
    pool.sql`select pg_sleep(0.1), 1 as own`,
    dated(new Date(Number.NaN), 2),
    ...[3, 4, 5].map((own) => dated(new Date(), own)),
  ]);
  const answers = outcomes.map(
    (outcome, i) => outcome.status === "rejected" || outcome.value[0]?.own === i + 1,
  );
  expect(answers).toEqual([true, true, true, true, true]);
  expect(outcomes[1]?.status).toBe("rejected");
  expect(await dated(new Date(), 6)).toMatchObject([{ own: 6 }]);
});

test("connections that are idle are ended between statements, which none of them meets", async () => {
  const database = await createTestDatabase();
  onTestFinished(() => database.drop());
  // Calls come at about the pace at which connections become idle.
  const pool = createStatementPool(connector(database.url, "idle"), { max: 1, idleMs: 75, oldMs: 60_000 });
  onTestFinished(() => pool.close());
  const failures: unknown[] = [];
  const pids = new Set<number>();
  for (let call = 0; call < 60; call++) {
    await new Promise((resolve) => setTimeout(resolve, 73 + (call % 5)));
    await pool.sql<{ pid: number }[]>`select pg_backend_pid() as pid`.then(
      ([row]) => pids.add(row?.pid ?? 0),
      (error) => failures.push(error),
    );
  }
  expect(failures).toEqual([]);
  expect(pids.size).toBeGreaterThan(1);
});
