import { JobPriority } from "@sluice/sdk";
import postgres from "postgres";
import { expect, test } from "vitest";
import { createSite, type Program } from "../support/processes.ts";

const seconds = Number(process.env.CHAOS_SECONDS ?? 60);
const total = Number(process.env.CHAOS_JOBS ?? 600);
const seed = Number(process.env.CHAOS_SEED ?? Date.now() % 1_000_000);
const LEASE_MS = 3_000;
const WORKERS = 3;
const BATCH = 25;
const PRIORITIES = [JobPriority.HIGH, JobPriority.NORMAL, JobPriority.LOW];

/** mulberry32: small, and the same faults for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const random = randomOf(seed);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const say = (line: string) => process.stdout.write(`${line}\n`);

const SENTENCE = "Water goes through the gate, and the gate goes up and down. ";

test("whatever is killed, frozen or cut: every job ends once, with one result and no gap in its events", async () => {
  await using site = await createSite({
    env: { SLUICE_LEASE_MS: String(LEASE_MS), SLUICE_WORKER_CONCURRENCY: "2", SLUICE_GRACE_MS: "2000" },
  });
  await site.serve("--no-worker");
  const sql = postgres(site.databaseUrl(), { max: 2, onnotice: () => {} });
  const sluice = site.client();
  const workers: Program[] = [];
  for (let i = 0; i < WORKERS; i++) workers.push(await site.worker());

  for (let first = 0; first < total; first += BATCH) {
    const requests = Array.from({ length: Math.min(BATCH, total - first) }, (_, i) => ({
      source: { case: "text" as const, value: SENTENCE.repeat(1 + ((first + i) % 60) ** 2) },
      priority: PRIORITIES[(first + i) % 3] ?? JobPriority.NORMAL,
      requestId: `chaos-${first + i}`,
    }));
    await sluice.jobs.batchCreateJobs({ requests });
  }

  const faults = new Map<string, number>();
  const FAULTS: Readonly<Record<string, (slot: number) => Promise<void>>> = {
    async "worker killed -9"(slot) {
      workers[slot]?.kill("SIGKILL");
      workers[slot] = site.start(["worker"]);
    },
    async "worker stopped in good order"(slot) {
      workers[slot]?.kill("SIGTERM");
      workers[slot] = site.start(["worker"]);
    },
    async "worker frozen for longer than its lease"(slot) {
      const frozen = workers[slot];
      frozen?.kill("SIGSTOP");
      await pause(LEASE_MS * 2);
      frozen?.kill("SIGCONT");
    },
    async "all connections to Postgres cut"() {
      await sql`select count(pg_terminate_backend(pid)) from pg_stat_activity
        where pid <> pg_backend_pid() and application_name like 'sluice%'`;
    },
  };

  const openJobs = async (): Promise<number> => {
    const [row] = await sql<{ open: number }[]>`
      select count(*)::int as open from jobs where status not in ('COMPLETED', 'FAILED', 'CANCELLED')`;
    return row?.open ?? 0;
  };

  say(`seed ${seed}: ${total} jobs, ${WORKERS} workers, faults for ${seconds} s`);
  const began = performance.now();
  const elapsed = () => (performance.now() - began) / 1000;
  while (elapsed() < seconds && (await openJobs()) > 0) {
    await pause(500 + random() * 2_500);
    const names = Object.keys(FAULTS);
    const name = names[Math.floor(random() * names.length)] ?? "";
    faults.set(name, (faults.get(name) ?? 0) + 1);
    await FAULTS[name]?.(Math.floor(random() * WORKERS));
  }
  const faultsEnded = performance.now();
  while ((await openJobs()) > 0 && performance.now() - faultsEnded < 180_000) await pause(250);
  const settled = (performance.now() - faultsEnded) / 1000;

  const [count] = await sql<Record<string, number>[]>`
    with per_job as (
      select j.id, j.status, j.lease_token, count(e.sequence) as events, max(e.sequence) as last,
        count(*) filter (where e.payload->>'status' in ('COMPLETED', 'FAILED', 'CANCELLED')) as finals,
        (select count(*) from job_results r where r.job_id = j.id) as results
      from jobs j left join job_events e on e.job_id = j.id group by j.id)
    select count(*)::int as jobs, count(*) filter (where status = 'COMPLETED')::int as completed,
      count(*) filter (where status not in ('COMPLETED', 'FAILED', 'CANCELLED'))::int as "not final",
      count(*) filter (where finals > 1)::int as "completed twice",
      count(*) filter (where finals = 0)::int as "without a final event",
      count(*) filter (where status = 'COMPLETED' and results <> 1)::int as "without its result",
      count(*) filter (where events <> last)::int as "with a gap", count(lease_token)::int as "with a lease left"
    from per_job`;

  say("");
  for (const [name, times] of faults) say(`${String(times).padStart(6)}  ${name}`);
  say("");
  for (const [name, jobs] of Object.entries(count ?? {})) say(`${String(jobs).padStart(6)}  ${name}`);
  say(`${settled.toFixed(1).padStart(6)}  seconds from the last fault to the last job's end`);

  sluice.close();
  await sql.end();
  const { jobs, completed, ...breaches } = count ?? {};
  expect({ jobs, completed }).toEqual({ jobs: total, completed: total });
  expect(Object.entries(breaches).filter(([, times]) => times !== 0)).toEqual([]);
}, 900_000);
