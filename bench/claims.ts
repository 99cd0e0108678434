/**
 * How long a claim takes while 50 workers claim at once, and that none gets a job of another: first all of them at the
 * same moment, again and again, as a fleet does that is woken; then each again as soon as it has its answer, which is
 * more than a fleet with jobs to run ever does. Run: `node bench/claims.ts [jobs] [owners] [workers]`.
 */

import { randomUUID } from "node:crypto";
import { migrate } from "../src/db/migrate.ts";
import { openDatabase } from "../src/db/sql.ts";
import { createClaims } from "../src/jobs/claims.ts";
import { createPostgresQueue } from "../src/queue/postgres-queue.ts";
import { createLogger } from "../src/telemetry/logger.ts";
import { createTestDatabase, startTestPostgres } from "../test/support/postgres.ts";

const [jobs = 20_000, owners = 1, WORKERS = 50] = process.argv.slice(2).map(Number);
const LIMIT = 2;

const server = await startTestPostgres();
const database = await createTestDatabase();
const db = openDatabase({
  url: database.url,
  maxConnections: 8,
  statementTimeoutMs: 60_000,
  applicationName: "bench",
});
await migrate(db);
const document = randomUUID();
await db.sql`insert into documents (id, owner_id, source) values (${document}, ${document}, 'TEXT')`;
const [pipeline] = await db.sql<{ id: string; name: string; version: number }[]>`
  select p.id, p.name, v.version from pipelines p join pipeline_versions v on v.pipeline_id = p.id limit 1`;
if (!pipeline) throw new Error("no pipeline");
await db.sql`
  insert into jobs (id, owner_id, priority, pipeline_id, pipeline_version, pipeline_name, document_id)
  select gen_random_uuid(), md5((i % ${owners})::text)::uuid, i % 3, ${pipeline.id}, ${pipeline.version}, ${pipeline.name}, ${document}
  from generate_series(1, ${jobs}::int) as i`;
await db.sql`vacuum analyze jobs`.catch(() => {});
const logger = createLogger("silent");
const pools = Array.from({ length: WORKERS }, (_, i) => {
  const own = openDatabase({
    url: database.url,
    maxConnections: 2,
    statementTimeoutMs: 30_000,
    applicationName: `w${i}`,
  });
  const queue = createPostgresQueue({
    db: own,
    claim: createClaims({ db: own, leaseMs: 30_000 }),
    wake: () => {},
    logger,
    newTurn: randomUUID,
    random: Math.random,
  });
  return { own, queue };
});
await Promise.all(pools.map(({ queue }, i) => queue.dequeue(`warm-${i}`, 1)));
const seen = new Set<string>();
let twice = 0;

/** One claim of the worker `i`, timed; how many jobs it got. */
async function claim(i: number, took: number[]): Promise<number> {
  const at = performance.now();
  const claimed = (await pools[i]?.queue.dequeue(`w${i}`, LIMIT)) ?? [];
  took.push(performance.now() - at);
  for (const { entry } of claimed) {
    if (seen.has(entry.id)) twice++;
    seen.add(entry.id);
  }
  return claimed.length;
}

async function measure(name: string, work: (took: number[]) => Promise<unknown>): Promise<void> {
  const took: number[] = [];
  const before = seen.size;
  const began = performance.now();
  await work(took);
  const rate = ((seen.size - before) / (performance.now() - began)) * 1000;
  took.sort((a, b) => a - b);
  const at = (share: number) => `${(took[Math.floor(share * (took.length - 1))] ?? 0).toFixed(1)} ms`;
  process.stdout.write(
    `${name}: ${took.length} claims of ${LIMIT}, ${rate.toFixed(0)} jobs/s; p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)}\n`,
  );
}

process.stdout.write(`${WORKERS} workers, ${jobs} jobs of ${owners} owners\n`);
await measure("all at the same moment", async (took) => {
  while (seen.size < jobs / 2) await Promise.all(pools.map((_, i) => claim(i, took)));
});
await measure("each again at once", (took) =>
  Promise.all(
    pools.map(async (_, i) => {
      while ((await claim(i, took)) > 0);
    }),
  ),
);
const [deadlocks] = await db.sql<
  { n: string }[]
>`select deadlocks as n from pg_stat_database where datname = current_database()`;
process.stdout.write(`claimed ${seen.size}, twice ${twice}, deadlocks ${deadlocks?.n}\n`);
await Promise.all([...pools.map(({ own }) => own.close()), db.close()]);
await server.stop();
