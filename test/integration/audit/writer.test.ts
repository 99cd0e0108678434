import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { type AuditRow, systemActor } from "../../../src/audit/model.ts";
import { newKey, toRow } from "../../../src/audit/rows.ts";
import { createSpill } from "../../../src/audit/spill.ts";
import { type AuditWriter, createAuditWriter } from "../../../src/audit/writer.ts";
import { type Database, openDatabase } from "../../../src/db/sql.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";
import { createMetrics } from "../../../src/telemetry/metrics.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { until } from "../../support/until.ts";
import { openTestDatabase } from "../auth/harness.ts";

const MIB = 1024 * 1024;

/** A database behind a proxy, and a data folder for any number of processes' writers. */
async function open() {
  const direct = await openTestDatabase();
  const proxy = await startTcpProxy(direct.url);
  const root = join(await mkdtemp(join(tmpdir(), "sluice-spill-")), "audit-spill");
  const clock = { now: Date.now };
  const ends: (() => Promise<void>)[] = [];
  onTestFinished(async () => {
    proxy.up();
    proxy.release();
    for (const end of ends.reverse()) await end();
    await proxy[Symbol.asyncDispose]();
    await direct[Symbol.asyncDispose]();
    await rm(join(root, ".."), { recursive: true, force: true });
  });

  const writer = async (name: string, maxBytes = 64 * MIB) => {
    const db = openDatabase({
      url: proxy.url,
      maxConnections: 2,
      statementTimeoutMs: 2_000,
      answerMarginMs: 1_000,
      applicationName: name,
    });
    const metrics = createMetrics();
    const spill = createSpill({ root, name, maxBytes });
    const reads = vi.spyOn(spill, "read");
    const made = createAuditWriter({
      pool: db.dedicated({ name: "audit", max: 2, statementTimeoutMs: 2_000 }),
      spill,
      now: () => clock.now(),
      logger: createLogger("silent"),
      metrics,
    });
    await made.start();
    let stopped: Promise<void> | undefined;
    const stop = (): Promise<void> => {
      stopped ??= made.stop();
      return stopped;
    };
    ends.push(async () => {
      await stop();
      await db.close();
    });
    const lost = async (): Promise<number> => (await metrics.auditLost.get()).values[0]?.value ?? 0;
    return { ...made, stop, spill, reads, lost };
  };
  return { db: direct as Database, proxy, root, clock, writer };
}

let made = 0;
function rowOf(action: string): AuditRow {
  return toRow(newKey(Date.now()), systemActor("test"), { action, resourceId: String(++made) });
}

function addMany(writer: AuditWriter, action: string, count: number): void {
  for (let i = 0; i < count; i++) writer.add(rowOf(action));
}

const countOf = async (db: Database, action: string): Promise<number> => {
  const [row] = await db.sql<
    [{ count: number }]
  >`select count(*)::int as count from audit_logs where action = ${action}`;
  return row.count;
};

const segmentsIn = async (root: string): Promise<string[]> =>
  (await readdir(root, { recursive: true }).catch(() => [])).filter((name) => name.endsWith(".ndjson"));

test("rows that a database does not take in time wait on the disk, for their owner alone to read, and come once", async () => {
  const { db, proxy, root, clock, writer } = await open();
  const held = Date.now();
  clock.now = () => held;
  const w = await writer("one");
  addMany(w, "before", 10);
  await until(async () => (await countOf(db, "before")) === 10, "rows go to the database");
  proxy.hold();
  addMany(w, "meanwhile", 1_200);
  await until(async () => w.spill.rows >= 1_200, "rows are on the disk");
  // A moment is no fault of health; what lasts is.
  clock.now = () => held + 2_000;
  await w.check();
  clock.now = () => held + 2_001;
  await expect(w.check()).rejects.toThrow("waits on the disk");
  clock.now = Date.now;
  w.assertAvailable();
  const [segment = ""] = await segmentsIn(root);
  expect((await stat(join(root, segment))).mode & 0o777).toBe(0o600);
  proxy.release();
  await until(async () => w.spill.rows === 0, "the disk is empty");
  addMany(w, "after", 3);
  await until(async () => (await countOf(db, "after")) === 3, "rows go to the database again");
  expect(await countOf(db, "meanwhile")).toBe(1_200);
  await w.check();
  expect(await w.lost()).toBe(0);
});

test("rows of two processes that share a data folder come once, through an outage of the database", async () => {
  const { db, proxy, root, writer } = await open();
  const [one, two] = await Promise.all([writer("one"), writer("two")]);
  proxy.down();
  addMany(one, "outage", 700);
  addMany(two, "outage", 700);
  await until(async () => one.spill.rows + two.spill.rows >= 1_400, "rows are on the disk");
  proxy.up();
  await until(async () => (await countOf(db, "outage")) === 1_400, "all rows are in the database");
  await until(async () => one.spill.rows + two.spill.rows === 0, "the disk is empty");
  await Promise.all([one.stop(), two.stop()]);
  expect(await readdir(root)).toEqual([]);
});

test("with neither database nor disk changes are refused, and what is lost is counted and told", async () => {
  const { db, proxy, writer } = await open();
  const w = await writer("one", 1);
  proxy.down();
  addMany(w, "kept", 10_000);
  const refusal = (): string => {
    try {
      w.assertAvailable();
      return "";
    } catch (error) {
      return (error as { reason?: string }).reason ?? "";
    }
  };
  await until(async () => refusal() === "AUDIT_UNAVAILABLE", "changes are refused");
  const from = Date.now();
  addMany(w, "beyond", 25);
  expect(await w.lost()).toBe(25);
  await expect(w.check()).rejects.toThrow("changes are refused");
  proxy.up();
  await until(async () => (await countOf(db, "audit.gap")) === 1, "the gap is told");
  await until(async () => (await countOf(db, "kept")) === 10_000, "nothing else is lost");
  await until(async () => refusal() === "", "changes are taken again");
  const [gap] = await db.sql<{ details: { count: number; from: string; to: string } }[]>`
    select request_details as details from audit_logs where action = 'audit.gap'`;
  expect(gap?.details.count).toBe(25);
  expect(Date.parse(gap?.details.from ?? "")).toBeGreaterThanOrEqual(from);
  expect(Date.parse(gap?.details.to ?? "")).toBeLessThanOrEqual(Date.now());
  expect(await countOf(db, "beyond")).toBe(0);
});

test("what a process that is gone has left is taken over; a torn last line is passed over, and a damaged one counted", async () => {
  const { db, root, writer } = await open();
  const folder = join(root, "gone-1-abc");
  await mkdir(folder, { recursive: true });
  const line = () => JSON.stringify(rowOf("left"));
  const twice = line();
  await writeFile(
    join(folder, "00000001.ndjson"),
    `${twice}\n${line()}\nnot a row\n${line()}\n${line().slice(0, 90)}`,
  );
  await writeFile(join(folder, "00000002.ndjson"), `${twice}\n${line()}\n`);
  const w = await writer("one");
  await until(async () => (await readdir(root)).length === 0, "the folder is given back");
  expect(await countOf(db, "left")).toBe(4);
  expect(await w.lost()).toBe(1);
});

test("a damaged line is counted once, however often the database does not take the others, and told at the end at the latest", async () => {
  const { db, proxy, root, writer } = await open();
  const folder = join(root, "gone-1-abc");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "00000001.ndjson"), `not a row\n${JSON.stringify(rowOf("left"))}\n`);
  proxy.down();
  const w = await writer("one");
  await until(async () => w.reads.mock.calls.length > 2, "the segment is tried again");
  proxy.up();
  await until(async () => (await readdir(root)).length === 0, "the folder is given back");
  expect(await countOf(db, "left")).toBe(1);
  expect(await w.lost()).toBe(1);
  await w.stop();
  expect(await countOf(db, "audit.gap")).toBe(1);
});

test("a row that the database refuses holds up no other", async () => {
  const { db, writer } = await open();
  const w = await writer("one");
  w.add(rowOf("good"));
  w.add({ ...rowOf("bad"), ipAddress: "no address" });
  w.add(rowOf("good"));
  await until(async () => (await countOf(db, "good")) === 2, "the others come");
  expect(await w.lost()).toBe(1);
});

test("stopping brings what is in memory to the database, or else to the disk, from which another process takes it", async () => {
  const { db, proxy, root, writer } = await open();
  const one = await writer("one");
  addMany(one, "last", 600);
  await one.stop();
  expect(await countOf(db, "last")).toBe(600);
  const two = await writer("two");
  proxy.down();
  addMany(two, "very last", 600);
  await two.stop();
  const [segment = ""] = await segmentsIn(root);
  expect((await readFile(join(root, segment), "utf8")).split("\n")).toHaveLength(601);
  proxy.up();
  await writer("three");
  await until(async () => (await countOf(db, "very last")) === 600, "the next process brings them");
});

test("stopping brings what went to the disk before to the database, if that is back", async () => {
  const { db, proxy, root, writer } = await open();
  const w = await writer("one");
  proxy.hold();
  addMany(w, "waiting", 300);
  await until(async () => w.spill.rows >= 300, "rows are on the disk");
  addMany(w, "later", 5);
  proxy.release();
  await w.stop();
  expect(await countOf(db, "waiting")).toBe(300);
  expect(await countOf(db, "later")).toBe(5);
  expect(await readdir(root)).toEqual([]);
});

test("a full disk leaves no empty segments behind", async () => {
  const { root } = await open();
  const spill = createSpill({ root, name: "one", maxBytes: 1 });
  for (let turn = 0; turn < 3; turn++) {
    await expect(spill.append(["a row"])).rejects.toThrow("is full");
    await spill.segments();
  }
  expect(await segmentsIn(root)).toEqual([]);
  await spill.close();
});
