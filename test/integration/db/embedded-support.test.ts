import { Redis } from "ioredis";
import postgres from "postgres";
import { expect, onTestFinished, test, vi } from "vitest";
import { createTestDatabase } from "../../support/postgres.ts";
import { startTestRedis } from "../../support/redis.ts";

vi.setConfig({ testTimeout: 60_000 });

function client(url: string): postgres.Sql {
  const sql = postgres(url, { max: 1 });
  onTestFinished(() => sql.end());
  return sql;
}

test("every test database is fresh, migrated once for all, and gone when dropped", async () => {
  let runs = 0;
  const migrate = async (url: string): Promise<void> => {
    runs++;
    const sql = postgres(url, { max: 1 });
    await sql`create table made (n int)`;
    await sql.end();
  };
  await using one = await createTestDatabase({ migrate });
  await using two = await createTestDatabase({ migrate });
  await client(one.url)`insert into made values (1)`;
  expect(await client(two.url)`select * from made`).toEqual([]);
  expect(runs).toBe(1);
  await using empty = await createTestDatabase();
  const sql = client(empty.url);
  expect(await sql`select tablename from pg_tables where tablename = 'made'`).toEqual([]);
  await two.drop();
  expect(await sql`select 1 from pg_database where datname = ${two.name}`).toEqual([]);
});

test("a test's Redis is real: it forgets when killed, and keeps when told to append to a file", async () => {
  await using plain = await startTestRedis();
  await using durable = await startTestRedis({ args: ["--appendonly", "yes", "--appendfsync", "always"] });
  for (const [server, kept] of [
    [plain, null],
    [durable, "here"],
  ] as const) {
    const before = new Redis(server.url);
    await before.set("word", "here");
    before.disconnect();
    await server.kill();
    await server.restart();
    const after = new Redis(server.url);
    expect(await after.get("word")).toBe(kept);
    after.disconnect();
  }
});
