import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startEmbeddedPostgres } from "../../../src/db/embedded.ts";
import { openDatabase } from "../../../src/db/sql.ts";
import { freePort } from "../../support/ports.ts";

test("when the database is back, statements and transactions are answered at once, however often they were refused", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "sluice outage "));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  const port = await freePort();
  const first = await startEmbeddedPostgres({ dataDir, port });
  onTestFinished(() => first.stop());
  const db = openDatabase({
    url: first.url,
    maxConnections: 4,
    statementTimeoutMs: 30_000,
    applicationName: "outage",
  });
  onTestFinished(() => db.close());
  const one = () => db.sql`select 1 as one`;
  const two = () => db.begin((tx) => tx`select 2 as two`);
  await Promise.all([one(), two()]);

  await first.stop();
  for (let tries = 0; tries < 8; tries++) {
    const outcomes = await Promise.allSettled([one(), one(), two()]);
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
  }

  const second = await startEmbeddedPostgres({ dataDir, port });
  onTestFinished(() => second.stop());
  const late = new Promise((resolve) => setTimeout(resolve, 5_000, "late"));
  const answers = Promise.all([one(), two()]);
  expect(await Promise.race([answers, late])).toEqual([[{ one: 1 }], [{ two: 2 }]]);
});
