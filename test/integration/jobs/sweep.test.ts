import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { openDatabase } from "../../../src/db/sql.ts";
import { createLeases } from "../../../src/jobs/leases.ts";
import { createHarness, textRequest, until } from "../../support/harness.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";

const ROUNDS = 20;

test("a process that freezes in the middle of a sweep does not keep the others from theirs", async () => {
  await using h = await createHarness();
  await using proxy = await startTcpProxy(h.databaseUrl);
  const db = openDatabase({
    url: proxy.url,
    maxConnections: 2,
    statementTimeoutMs: 30_000,
    applicationName: "test-frozen",
  });
  const { sweep } = createLeases({ ...h, db, leaseMs: 30_000 });
  let over = false;
  const sweeping = (async () => {
    while (!over) await sweep();
  })();
  try {
    // It sweeps all the time, and freezes at another moment of its sweep each time.
    for (let round = 0; round < ROUNDS; round++) {
      await sleep(10 + Math.random() * 10);
      proxy.hold();
      const { job } = await h.jobs.create(h.admin, textRequest("lost"));
      expect(await h.leases.claim("w-lost", 1, Date.now)).toHaveLength(1);
      await h.db.sql`update jobs set lease_until = now() - interval '1 second' where id = ${job.id}`;
      const recovered = await until(
        async () => (await h.leases.sweep()).find(({ id }) => id === job.id),
        `the job is taken back in round ${round}`,
        5_000,
      );
      expect(recovered.status).toBe("CREATED");
      await h.jobs.cancel(h.admin, job.id, "");
      proxy.release();
    }
  } finally {
    over = true;
    proxy.release();
    await sweeping.catch(() => {});
    await db.close();
  }
}, 60_000);
