import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { expect, test } from "vitest";
import { startPausablePostgres } from "../support/pausable-postgres.ts";
import { createSite, eventually, type Site } from "../support/processes.ts";

async function call(
  site: Site,
  name: string,
  requestId: string,
  body: object,
  key = site.apiKey(),
): Promise<number> {
  const { status } = await fetch(`${site.url}/sluice.v1.${name}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": key, "x-request-id": requestId },
    body: JSON.stringify(body),
  });
  return status;
}

const onDisk = (site: Site): string => {
  const root = join(site.dataDir, "audit-spill");
  const names = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ndjson"),
  );
  return names.map((name) => readFileSync(join(root, name), "utf8")).join("");
};

test("through a paused database and kill -9 each change has one row and no other call two; reads are lost in the window alone", async () => {
  await using database = await startPausablePostgres();
  await using site = await createSite({ env: { DATABASE_URL: database.url } });
  const sql = postgres(database.url, { max: 1, onnotice: () => {} });
  const known: string[] = [];
  const createJob = (id: string) => call(site, "JobsService/CreateJob", id, { text: id, labels: { id } });
  try {
    let server = await site.serve("--no-worker");
    for (let i = 0; i < 10; i++) {
      expect(await createJob(`change-${i}`)).toBe(200);
      expect(await call(site, "SystemService/GetServerInfo", `read-${i}`, {})).toBe(200);
      known.push(`change-${i}`, `read-${i}`);
    }

    database.pause();
    const unanswered = Array.from({ length: 5 }, (_, i) => createJob(`unsure-${i}`).catch(() => 0));
    for (let i = 0; i < 15; i++) {
      expect(await call(site, "JobsService/GetJob", `paused-${i}`, { id: "x" }, "slk_garbage")).toBe(401);
      known.push(`paused-${i}`);
    }
    await eventually(() => onDisk(site).includes('"paused-14"'), "the rows are on the disk");
    server.kill("SIGKILL");
    await server.exit();
    await Promise.all(unanswered);
    database.resume();

    server = await site.serve("--no-worker");
    const answered: { id: string; atMs: number }[] = [];
    let goesOn = true;
    const reading = (async () => {
      for (let i = 0; goesOn; i++) {
        const id = `late-${i}`;
        if ((await call(site, "SystemService/GetServerInfo", id, {}).catch(() => 0)) !== 200) return;
        answered.push({ id, atMs: performance.now() });
        if (i === 200) server.kill("SIGKILL");
      }
    })();
    await server.exit();
    const diedMs = performance.now();
    goesOn = false;
    await reading;

    await site.serve("--no-worker");
    // Generous: what is promised is a tenth of it, on a machine that is not busy.
    const safe = answered.filter(({ atMs }) => atMs < diedMs - 1_000).map(({ id }) => id);
    const wanted = [...known, ...safe];
    const found = async () =>
      await sql<{ requestId: string; count: number }[]>`
        select request_id as "requestId", count(*)::int as count from audit_logs where request_id <> '' group by 1`;
    await eventually(async () => {
      const ids = new Set((await found()).map(({ requestId }) => requestId));
      return wanted.every((id) => ids.has(id));
    }, "every row that was safe is in the database");
    expect((await found()).filter(({ count }) => count !== 1)).toEqual([]);
    const jobs = await sql`select labels->>'id' as id from jobs order by 1`;
    const rows = await sql`
      select request_id as id from audit_logs where action = 'jobs.create' and success order by 1`;
    expect(jobs.map(({ id }) => id)).toEqual(rows.map(({ id }) => id));
  } finally {
    database.resume();
    await sql.end();
  }
});
