import { expect, test } from "vitest";
import { openDatabase } from "../../../src/db/sql.ts";
import { createLeases } from "../../../src/jobs/leases.ts";
import { createHarness, type Harness, textRequest, until } from "../../support/harness.ts";
import { startTcpProxy, type TcpProxy } from "../../support/tcp-proxy.ts";

const LEASE_MS = 1_000;

/** The transaction of a sweep that is open now, if there is one. */
async function openSweep(h: Harness): Promise<number | null> {
  const [row] = await h.db.sql<{ pid: number }[]>`
    select l.pid from pg_locks l join pg_database d on d.oid = l.database
    where l.locktype = 'advisory' and l.granted and d.datname = current_database()`;
  return row?.pid ?? null;
}

/** Sweeps over the proxy until it falls silent in the middle of one. */
async function fallSilentInSweep(h: Harness, proxy: TcpProxy, sweep: () => Promise<unknown>): Promise<void> {
  let over = false;
  const sweeping = (async () => {
    while (!over) await sweep();
  })();
  sweeping.catch(() => {});
  await until(async () => {
    if ((await openSweep(h)) === null) return false;
    proxy.hold();
    const held = await openSweep(h);
    await new Promise((resolve) => setTimeout(resolve, 100));
    if (held !== null && (await openSweep(h)) === held) return true;
    proxy.release();
    return false;
  }, "the process falls silent in the middle of a sweep");
  over = true;
}

test("a process that freezes in the middle of a sweep keeps the others from theirs for some seconds at the most", async () => {
  await using h = await createHarness({ leaseMs: LEASE_MS });
  await using proxy = await startTcpProxy(h.databaseUrl);
  const db = openDatabase({
    url: proxy.url,
    maxConnections: 2,
    statementTimeoutMs: 30_000,
    applicationName: "test-frozen",
  });
  try {
    const frozen = createLeases({ ...h, db, leaseMs: LEASE_MS });
    await fallSilentInSweep(h, proxy, frozen.sweep);
    const { job } = await h.jobs.create(h.admin, textRequest("lost"));
    expect(await h.leases.claim("w-lost", 1, Date.now)).toHaveLength(1);
    const recovered = await until(
      async () => (await h.leases.sweep()).find(({ id }) => id === job.id),
      "the job is taken back",
      15_000,
    );
    expect(recovered.status).toBe("CREATED");
  } finally {
    proxy.release();
    await db.close();
  }
}, 60_000);
