import { expect, onTestFinished, test } from "vitest";
import { afterCommit, type Database, isConnectionLoss, openDatabase, type Sql } from "../../../src/db/sql.ts";
import { createTestDatabase } from "../../support/postgres.ts";

async function open(maxConnections = 4): Promise<Database> {
  const database = await createTestDatabase();
  const db = openDatabase({
    url: database.url,
    maxConnections,
    statementTimeoutMs: 10_000,
    applicationName: "test",
  });
  onTestFinished(async () => {
    await db.close();
    await database.drop();
  });
  await db.sql`create table kept (n int primary key)`;
  return db;
}

const kept = async (db: Database): Promise<number[]> =>
  (await db.sql<{ n: number }[]>`select n from kept order by n`).map(({ n }) => n);

const pidOf = async (sql: Sql): Promise<number> =>
  (await sql<{ pid: number }[]>`select pg_backend_pid() as pid`)[0]?.pid ?? 0;

/** Ends the server's side of a connection and waits until it is gone. */
async function cut(db: Database, pid: number): Promise<void> {
  await db.sql`select pg_terminate_backend(${pid}, 5000)`;
}

test("what a transaction wrote is kept when it ends well and gone when its work throws", async () => {
  const db = await open();
  expect(await db.begin(async (tx) => (await tx`insert into kept values (1) returning n`)[0])).toEqual({
    n: 1,
  });
  const failing = db.begin(async (tx) => {
    await tx`insert into kept values (2)`;
    throw new Error("changed my mind");
  });
  await expect(failing).rejects.toThrow("changed my mind");
  expect(await kept(db)).toEqual([1]);
});

test("a savepoint that fails takes back its own statements and no others", async () => {
  const db = await open();
  await db.begin(async (tx) => {
    await tx`insert into kept values (1)`;
    await tx.savepoint(async (inner) => await inner`insert into kept values (1)`).catch(() => {});
    await tx`insert into kept values (3)`;
  });
  expect(await kept(db)).toEqual([1, 3]);
});

test("a connection that is cut in the middle ends the transaction; nothing of it is kept and later statements are refused", async () => {
  const db = await open(2);
  for (let round = 0; round < 5; round++) {
    let working: Promise<unknown[]> = Promise.resolve([]);
    const outcome = db.begin((tx) => {
      working = workOn(tx, db);
      return working;
    });
    await expect(outcome).rejects.toSatisfy(isConnectionLoss);
    const errors = await working;
    expect(errors).toHaveLength(2);
    expect(errors.every(isConnectionLoss)).toBe(true);
  }
  // The place of the lost connection is free again, and nothing ran outside its transaction.
  await db.begin(async (tx) => await tx`insert into kept values (9)`);
  expect(await kept(db)).toEqual([9]);
});

/** Goes on after its connection was cut, as code does that catches too much; answers what its statements threw. */
async function workOn(tx: Sql, db: Database): Promise<unknown[]> {
  await tx`insert into kept values (1)`;
  await cut(db, await pidOf(tx));
  const errors: unknown[] = [];
  for (const n of [2, 3]) {
    await tx`insert into kept values (${n})`.catch((error) => errors.push(error));
    await new Promise((resolve) => setImmediate(resolve));
  }
  return errors;
}

test("a cut transaction never reaches into the next one", async () => {
  const db = await open(2);
  let goOn = (): void => {};
  const later = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const zombie = db.begin(async (tx) => {
    await cut(db, await pidOf(tx));
    await later;
    await tx`insert into kept values (1)`;
  });
  await expect(zombie).rejects.toSatisfy(isConnectionLoss);
  await db.begin(async (tx) => {
    await tx`insert into kept values (2)`;
    goOn();
    await new Promise((resolve) => setImmediate(resolve));
    await tx`insert into kept values (3)`;
  });
  expect(await kept(db)).toEqual([2, 3]);
});

test("more transactions than connections take turns, and all end", async () => {
  const db = await open(4);
  const numbers = Array.from({ length: 40 }, (_, n) => n);
  await Promise.all(numbers.map((n) => db.begin(async (tx) => await tx`insert into kept values (${n})`)));
  expect(await kept(db)).toEqual(numbers);
  const [row] = await db.sql<{ lines: number }[]>`
    select count(*)::int as lines from pg_stat_activity
    where application_name like 'test:main tx%' and datname = current_database()`;
  expect(row?.lines).toBeLessThanOrEqual(2);
});

test("idle connections that the server has closed are replaced", async () => {
  const db = await open(2);
  const pid = await db.begin(pidOf);
  await cut(db, pid);
  expect(await db.begin(pidOf)).not.toBe(pid);
});

test("what waits for a commit happens after it, and not after a rollback, of a savepoint either", async () => {
  const db = await open();
  const happened: string[] = [];
  const note = (what: string) => () => void happened.push(what);
  await db.begin(async (tx) => {
    afterCommit(tx, note("committed"));
    const undone = tx.savepoint(async (inner) => {
      afterCommit(inner, note("undone"));
      throw new Error("undone");
    });
    await expect(undone).rejects.toThrow("undone");
    expect(happened).toEqual([]);
  });
  const rolledBack = db.begin(async (tx) => {
    afterCommit(tx, note("rolled back"));
    throw new Error("rolled back");
  });
  await expect(rolledBack).rejects.toThrow("rolled back");
  afterCommit(db.sql, note("no transaction"));
  expect(happened).toEqual(["committed", "no transaction"]);
});
