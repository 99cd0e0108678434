import { expect, onTestFinished, test } from "vitest";
import { type Database, isConnectionLoss, openDatabase } from "../../../src/db/sql.ts";
import { createTestDatabase } from "../../support/postgres.ts";
import { startTcpProxy, type TcpProxy } from "../../support/tcp-proxy.ts";
import { until } from "../../support/until.ts";

const STATEMENT_MS = 1_000;
const MARGIN_MS = 500;

async function open(): Promise<{ db: Database; proxy: TcpProxy }> {
  const database = await createTestDatabase();
  const proxy = await startTcpProxy(database.url);
  const db = openDatabase({
    url: proxy.url,
    maxConnections: 2,
    statementTimeoutMs: STATEMENT_MS,
    answerMarginMs: MARGIN_MS,
    applicationName: "test",
  });
  onTestFinished(async () => {
    await db.close();
    await proxy[Symbol.asyncDispose]();
    await database.drop();
  });
  return { db, proxy };
}

test("statements on a connection that falls silent fail as a loss soon after their timeout, and the next one works", async () => {
  const { db, proxy } = await open();
  await db.sql`select 1`;
  proxy.silenceOpen();
  const startedAt = performance.now();
  const ends = await Promise.allSettled([db.sql`select 1`, db.sql`select 2`, db.sql`select 3`]);
  const tookMs = performance.now() - startedAt;
  expect(ends.every((end) => end.status === "rejected" && isConnectionLoss(end.reason))).toBe(true);
  expect(tookMs).toBeGreaterThan(STATEMENT_MS);
  expect(tookMs).toBeLessThan(STATEMENT_MS + MARGIN_MS + 2_000);
  expect(await db.sql`select 4 as n`).toEqual([{ n: 4 }]);
}, 15_000);

test("an answer that stops in its middle is a silence too", async () => {
  const { db, proxy } = await open();
  await db.sql`select 1`;
  const rows = db.sql`select repeat('x', 1000) as x from generate_series(1, 100000)`;
  const answer = rows.forEach(() => {
    proxy.silenceOpen();
  });
  await expect(answer).rejects.toSatisfy(isConnectionLoss);
  expect(await db.sql`select 4 as n`).toEqual([{ n: 4 }]);
}, 15_000);

test("a server that accepts and says nothing is a loss, not a wait without end", async () => {
  const { db, proxy } = await open();
  proxy.silenceAll();
  await expect(db.sql`select 1`).rejects.toSatisfy(isConnectionLoss);
}, 15_000);

test("a slow statement that ends within its timeout is no silence", async () => {
  const { db } = await open();
  expect(await db.sql`select pg_sleep(0.8), 1 as n`).toMatchObject([{ n: 1 }]);
});

test("connections that are idle for longer than that come back without an error", async () => {
  const { db, proxy } = await open();
  await db.sql`select 1`;
  const before = proxy.connections;
  await expect
    .poll(
      async () => {
        await db.sql`select 1`;
        return proxy.connections;
      },
      { timeout: 10_000, interval: STATEMENT_MS + MARGIN_MS },
    )
    .toBeGreaterThan(before);
}, 15_000);

test("a statement that is sent right after its connection was reset is answered, as often as that happens", async () => {
  const { db, proxy } = await open();
  let losses = 0;
  /** Sends the next statement within the failure of the one before. */
  const again = async (): Promise<unknown> => {
    try {
      return await db.sql`select 4 as n`;
    } catch (error) {
      if (!isConnectionLoss(error) || ++losses > 200) throw error;
      return await again();
    }
  };
  for (let times = 0; times < 20; times++) {
    await again();
    const under = db.sql`select pg_sleep(0.9)`.then(
      () => null,
      () => again(),
    );
    await until(async () => {
      const [row] = await db.begin(
        (tx) => tx<{ sleeping: boolean }[]>`
        select exists (select from pg_stat_activity where query = 'select pg_sleep(0.9)' and state = 'active'
          and datname = current_database()) as sleeping`,
      );
      return row?.sleeping;
    }, "the statement is under way");
    proxy.resetOpen();
    expect(await Promise.all([under, again(), again()])).toEqual(Array.from({ length: 3 }, () => [{ n: 4 }]));
  }
  expect(losses).toBeGreaterThan(0);
}, 15_000);
