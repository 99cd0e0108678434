import { randomBytes, randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { assertMigrated, migrate } from "../../../src/db/migrate.ts";
import { type Database, openDatabase, type Sql } from "../../../src/db/sql.ts";
import { WallMissingError } from "../../../src/db/walls.ts";
import { type Caller, ownScope, scopeOf } from "../../../src/lib/caller.ts";
import { createTestDatabase } from "../../support/postgres.ts";

const callerOf = (userId: string, permissions: readonly string[] = []): Caller => ({
  userId,
  email: "someone@example.org",
  credential: "jwt",
  credentialId: randomUUID(),
  permissions: new Set(permissions),
  expireTime: null,
  requestId: randomUUID(),
  ipAddress: "127.0.0.1",
  userAgent: "test",
});

const open = (url: string): Database =>
  openDatabase({ url, maxConnections: 4, statementTimeoutMs: 30_000, applicationName: "test" });

/** A migrated database that belongs to a login of its own, with these attributes; both gone at the end. */
async function ownedBy(attributes: string) {
  const database = await createTestDatabase();
  const superuser = open(database.url);
  const login = `walls_${randomBytes(5).toString("hex")}`;
  await superuser.sql.unsafe(`create role ${login} login password 'x' ${attributes}`);
  await superuser.sql.unsafe(`alter database ${database.name} owner to ${login}`);
  const url = new URL(database.url);
  url.username = login;
  url.password = "x";
  const db = open(url.href);
  return {
    db,
    superuser,
    login,
    async [Symbol.asyncDispose]() {
      await db.close();
      await superuser.sql.unsafe(`alter database ${database.name} owner to current_user`);
      await superuser.sql.unsafe(`drop owned by ${login}`);
      await superuser.sql.unsafe(`drop role if exists ${login}_scoped`).catch(async () => {
        await superuser.sql.unsafe(`drop owned by ${login}_scoped`);
        await superuser.sql.unsafe(`drop role ${login}_scoped`);
      });
      await superuser.sql.unsafe(`drop role ${login}`);
      await superuser.close();
      await database.drop();
    },
  };
}

/** Logins of every kind that the service may be given. */
const LOGINS = [
  ["a superuser", "superuser"],
  ["a login that may make roles", "createrole"],
  ["a login that may make none, and owns the tables", ""],
] as const;

/** The tables with an owner, by a column of their own or by a row that they hang on. */
async function ownedTables(sql: Sql): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    with recursive owned as (
      select c.oid from pg_class c join pg_attribute a on a.attrelid = c.oid
      where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
        and (a.attname in ('owner_id', 'user_id') or c.relname = 'users')
      union
      select f.conrelid from pg_constraint f join owned o on f.confrelid = o.oid where f.contype = 'f'
    )
    select relname as name from pg_class where oid in (select oid from owned) order by relname`;
  return rows.map(({ name }) => name);
}

/** A row of this owner in every table that has owners. */
async function seed(sql: Sql, owner: string): Promise<void> {
  const [session, document, job] = [randomUUID(), randomUUID(), randomUUID()];
  const [pipeline] = await sql<[{ id: string }]>`select id from pipelines limit 1`;
  await sql`insert into users (id, email) values (${owner}, ${`${owner}@example.org`})`;
  await sql`insert into api_keys (id, hash, name, owner_id, permissions, expires_at)
    values (${owner}, '\\x00', 'key', ${owner}, '{}', now())`;
  await sql`insert into sessions (id, user_id, expires_at) values (${session}, ${owner}, now())`;
  await sql`insert into refresh_tokens (hash, session_id, sequence, expires_at)
    values (decode(md5(${session}), 'hex'), ${session}, 1, now())`;
  await sql`insert into documents (id, owner_id, source) values (${document}, ${owner}, 'TEXT')`;
  await sql`insert into jobs (id, owner_id, pipeline_id, pipeline_version, pipeline_name, document_id)
    values (${job}, ${owner}, ${pipeline.id}, 1, 'default', ${document})`;
  await sql`insert into job_stages (job_id, position, name, type, status, attempt)
    values (${job}, 0, 'fetch', 'fetch', 'RUNNING', 1)`;
  await sql`insert into job_events (job_id, sequence, owner_id, type, payload) values (${job}, 1, ${owner}, 'log', '{}')`;
  await sql`insert into job_results (job_id, result_metadata, processing_time_ms, size_bytes, sha256)
    values (${job}, '{}', 1, 1, '')`;
  await sql`insert into job_result_contents (job_id, format, size_bytes, sha256) values (${job}, 'TEXT', 1, '')`;
  await sql`insert into audit_logs (id, user_id, action, resource_type, resource_id, request_details, success,
    error_message, user_agent, request_id, credential_id)
    values (${randomUUID()}, ${owner}, 'a', 'b', 'c', '{}', true, '', '', '', '')`;
  const [webhook, delivery] = [randomUUID(), randomUUID()];
  await sql`insert into webhook_subscriptions (id, user_id, url, shown_url, events, secret)
    values (${webhook}, ${owner}, '', '', '{}', '')`;
  await sql`insert into webhook_endpoints (subscription_id, user_id) values (${webhook}, ${owner})`;
  await sql`insert into webhook_deliveries (id, subscription_id, user_id, event_type, payload, status)
    values (${delivery}, ${webhook}, ${owner}, 'job.created', '{}', 'PENDING')`;
  await sql`insert into webhook_attempts (delivery_id, number, user_id, started_at, duration_ms)
    values (${delivery}, 1, ${owner}, now(), 1)`;
}

const countIn = async (sql: Sql, table: string): Promise<number> => {
  const [row] = await sql.unsafe<[{ n: number }]>(`select count(*)::int as n from ${table}`);
  return row.n;
};

for (const [kind, attributes] of LOGINS) {
  test(`${kind}: callers see no row of a table with owners before they say whose, then those alone; they change and make no others`, async () => {
    await using own = await ownedBy(attributes);
    const { db, superuser } = own;
    await migrate(db);
    const [alice, bob] = [randomUUID(), randomUUID()];
    await seed(superuser.sql, alice);
    await seed(superuser.sql, bob);
    const tables = await ownedTables(superuser.sql);
    expect(tables).toEqual(
      expect.arrayContaining(["audit_logs", "documents", "job_stages", "jobs", "users"]),
    );
    const seen: Record<string, unknown> = {};
    for (const table of tables) {
      // A table that is new needs a row in `seed`.
      expect(await countIn(superuser.sql, table), table).toBe(2);
      const unsaid = await db.begin(async (tx) => {
        await tx`select enter_scope('', true)`;
        return await countIn(tx, table);
      });
      seen[table] = [
        unsaid,
        await countIn(db.scoped(ownScope(callerOf(alice))), table),
        await countIn(db.sql, table),
      ];
    }
    expect(seen).toEqual(Object.fromEntries(tables.map((table) => [table, [0, 1, 2]])));
    const changed = await db.beginScoped(ownScope(callerOf(alice)), async (tx) => {
      const rows = await tx<{ ownerId: string }[]>`update jobs set priority = 2 returning owner_id`;
      const gone = await tx<
        { ownerId: string }[]
      >`delete from documents where source = 'URI' or owner_id = ${bob} returning owner_id`;
      return [...rows, ...gone].map(({ ownerId }) => ownerId);
    });
    expect(changed).toEqual([alice]);
    const forged = db.beginScoped(ownScope(callerOf(alice)), async (tx) => {
      await tx`insert into documents (id, owner_id, source) values (${randomUUID()}, ${bob}, 'TEXT')`;
    });
    await expect(forged).rejects.toThrow("row-level security");
    const given = db.beginScoped(ownScope(callerOf(alice)), async (tx) => {
      await tx`update documents set owner_id = ${bob}`;
    });
    await expect(given).rejects.toThrow("row-level security");
    expect(await countIn(superuser.sql, "documents")).toBe(2);
  });
}

test("every table with an owner, by itself or by what it hangs on, has row-level security and policies", async () => {
  await using database = await createTestDatabase();
  const db = open(database.url);
  await migrate(db);
  const bare = await db.sql<{ name: string }[]>`
    select relname as name from pg_class c where relname in (
        select jsonb_array_elements_text(${JSON.stringify(await ownedTables(db.sql))}::text::jsonb))
      and not (relrowsecurity and exists (select from pg_policy p where p.polrelid = c.oid))`;
  expect(bare.map(({ name }) => name)).toEqual([]);
  await db.close();
});

test("statements of many callers at once, on few connections, see their own rows each", async () => {
  await using own = await ownedBy("superuser");
  const { db } = own;
  await migrate(db);
  const owners = Array.from({ length: 12 }, () => randomUUID());
  for (const owner of owners) await seed(db.sql, owner);
  const reads = Array.from({ length: 600 }, async (_, i) => {
    const owner = owners[i % owners.length] ?? "";
    const scope =
      i % 5 === 0 ? scopeOf(callerOf(owner, ["jobs:read:any"]), "jobs:read") : ownScope(callerOf(owner));
    const rows = await db.scoped(scope)<{ ownerId: string }[]>`select owner_id from jobs`;
    return i % 5 === 0 ? rows.length === owners.length : rows.length === 1 && rows[0]?.ownerId === owner;
  });
  expect((await Promise.all(reads)).filter((right) => !right)).toEqual([]);
});

test("a part of a transaction that is done for everybody leaves the rest in its scope", async () => {
  await using own = await ownedBy("superuser");
  const { db } = own;
  await migrate(db);
  const [alice, bob] = [randomUUID(), randomUUID()];
  await seed(db.sql, alice);
  await seed(db.sql, bob);
  const counts = await db.beginScoped(ownScope(callerOf(alice)), async (tx) => {
    const before = await countIn(tx, "jobs");
    const within = await tx.everybody("a test", (all) => countIn(all, "jobs"));
    await expect(
      tx.everybody("a test", async () => {
        throw new Error("no");
      }),
    ).rejects.toThrow("no");
    return [before, within, await countIn(tx, "jobs")];
  });
  expect(counts).toEqual([1, 2, 1]);
});

test("statements for callers only read, and fail when their scope cannot be said", async () => {
  await using own = await ownedBy("superuser");
  const { db, superuser } = own;
  await migrate(db);
  const alice = randomUUID();
  await seed(db.sql, alice);
  const sql = db.scoped(ownScope(callerOf(alice)));
  await expect(sql`delete from documents`).rejects.toThrow("read-only");
  await superuser.sql`drop function enter_scope(text, boolean)`;
  const next = db.scoped(ownScope(callerOf(randomUUID())));
  await expect(next`select id from jobs`).rejects.toThrow("enter_scope");
  await expect(db.beginScoped(ownScope(callerOf(alice)), (tx) => countIn(tx, "jobs"))).rejects.toThrow(
    "enter_scope",
  );
});

test("a login for which row-level security never holds is refused, with what to do", async () => {
  await using own = await ownedBy("bypassrls");
  const { db, superuser, login } = own;
  await expect(migrate(db)).rejects.toThrow(WallMissingError);
  await superuser.sql.unsafe(`create role ${login}_scoped nologin; grant ${login}_scoped to ${login}`);
  await migrate(db);
  await seed(superuser.sql, randomUUID());
  expect(await countIn(db.scoped(ownScope(callerOf(randomUUID()))), "jobs")).toBe(0);
  await assertMigrated(db);
  await superuser.sql.unsafe(`revoke ${login}_scoped from ${login}`);
  await expect(assertMigrated(db)).rejects.toThrow(WallMissingError);
});

test("a role that an administrator makes later takes the place of policies that hold for the owner of the tables", async () => {
  await using own = await ownedBy("");
  const { db, superuser, login } = own;
  const forced = async () => await countIn(superuser.sql, "pg_class where relforcerowsecurity");
  await migrate(db);
  expect(await forced()).toBeGreaterThan(0);
  await superuser.sql.unsafe(`create role ${login}_scoped nologin; grant ${login}_scoped to ${login}`);
  await migrate(db);
  expect(await forced()).toBe(0);
  await seed(superuser.sql, randomUUID());
  expect(await countIn(db.scoped(ownScope(callerOf(randomUUID()))), "jobs")).toBe(0);
});
