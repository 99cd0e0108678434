import { type DedicatedPool, isConnectionLoss, sqlState } from "../db/sql.ts";
import { monotonicMs } from "../lib/clock.ts";
import { messageOf } from "../lib/errors.ts";
import { within } from "../lib/within.ts";
import { HealthError } from "../rpc/health-checks.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { AuditUnavailableError } from "./errors.ts";
import { type AuditRow, systemActor } from "./model.ts";
import { insertAuditTexts } from "./queries.ts";
import { createRowQueue, type RowText } from "./row-queue.ts";
import { newKey, toRow } from "./rows.ts";
import type { Spill } from "./spill.ts";

/** Rows in one statement. */
const BATCH_ROWS = 500;
/** How long a row waits for others. */
const GATHER_MS = 40;
/** From then on a row is no longer in memory alone: what the database has not taken goes to the disk. */
const SAFE_MS = 80;
/** How often what lies on the disk is tried on the database. */
const REPLAY_MS = 500;
/** A database that is only slow for a moment is no fault of health. */
const NOTED_AFTER_MS = 2_000;
/** After a failure of the disk. */
const PAUSE_MS = 100;
/** What is left at the end has so long to reach the database. */
const FLUSH_MS = 5_000;

export interface AuditWriterDeps {
  /** Of its own: rows must not wait behind callers. */
  readonly pool: DedicatedPool;
  readonly spill: Spill;
  readonly now: () => number;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Brings rows that belong to no transaction to the database, and loses none while there is a disk to put them on. */
export interface AuditWriter {
  /** Never waits. What neither database nor disk takes, beyond 10,000 rows or 32 MiB, is lost and counted. */
  add(row: AuditRow): void;
  /** @throws AuditUnavailableError while rows can be put nowhere */
  assertAvailable(): void;
  /** @throws HealthError with what is wrong, for people; rows that go to the disk count after 2 s */
  check(): Promise<void>;
  start(): Promise<void>;
  /** Brings what is left to the database; what that does not take within 5 s stays on the disk. */
  stop(): Promise<void>;
}

export function createAuditWriter({ pool, spill, now, logger, metrics }: AuditWriterDeps): AuditWriter {
  const queue = createRowQueue();
  /** Since when rows go to the disk, as the database did not take some in time. */
  let detourSince: number | null = null;
  /** The disk did not take them either. */
  let stuck = false;
  let lost = { count: 0, fromMs: 0, toMs: 0 };
  let stopping = false;
  let wake = (): void => {};

  const lose = (count: number): void => {
    const ms = now();
    lost = { count: lost.count + count, fromMs: lost.count > 0 ? lost.fromMs : ms, toMs: ms };
    metrics.auditLost.inc(count);
  };

  /** The row that tells of the lost ones, once some can be stored again. */
  const tellLosses = (): void => {
    if (lost.count === 0) return;
    const { count, fromMs, toMs } = lost;
    const details = { count, from: new Date(fromMs), to: new Date(toMs) };
    const entry = { action: "audit.gap", success: false, details };
    if (queue.add(JSON.stringify(toRow(newKey(now()), systemActor("audit"), entry)))) lost.count = 0;
  };

  const insert = async (rows: readonly RowText[]): Promise<void> => {
    try {
      await insertAuditTexts(pool.sql, rows);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      // One that Postgres does not take must not hold up the others for ever.
      if (rows.length > 1) for (const row of rows) await insert([row]);
      else {
        logger.error({ error: messageOf(error) }, "the database refuses a row of the audit log");
        lose(1);
      }
    }
  };

  /** Resolves when it is known whether the database has taken them. */
  const toDatabase = (rows: readonly RowText[]): Promise<boolean> => {
    const end = metrics.auditFlushSeconds.startTimer();
    return insert(rows).then(
      () => {
        end();
        return true;
      },
      (error: unknown) => {
        logger.warn(
          { error: messageOf(error) },
          "the database does not take the audit log, which goes to the disk",
        );
        return false;
      },
    );
  };

  const toDisk = async (rows: readonly RowText[]): Promise<boolean> => {
    try {
      await spill.append(rows);
      stuck = false;
    } catch (error) {
      const sentence =
        "the audit log can be written neither to the database nor to the disk: changes are refused";
      if (!stuck) logger.error({ error: messageOf(error) }, sentence);
      stuck = true;
    }
    return !stuck;
  };

  /** Puts rows somewhere: to the database if it takes them within `leftMs`, else to the disk, else wherever it works. */
  const put = async (rows: readonly RowText[], leftMs: number): Promise<boolean> => {
    if (detourSince !== null) return await toDisk(rows);
    const stored = toDatabase(rows);
    if (await within(leftMs, stored)) return true;
    detourSince = now();
    if (await toDisk(rows)) return true;
    const late = await stored;
    if (late) detourSince = null;
    stuck = !late;
    return late;
  };

  /** Takes the first rows out of memory, if they can be put somewhere. */
  const flush = async (leftMs: number): Promise<boolean> => {
    const rows = queue.peek(BATCH_ROWS);
    if (!(await put(rows, leftMs))) return false;
    queue.drop(rows.length);
    tellLosses();
    return true;
  };

  /** Until there are rows that are due, or for `ms`. */
  const rest = (ms: number | undefined): Promise<void> =>
    new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  const pump = async (): Promise<void> => {
    while (!stopping) {
      const waitedMs = queue.oldestMs();
      if (queue.length === 0) await rest(undefined);
      else if (queue.length < BATCH_ROWS && waitedMs < GATHER_MS) await rest(GATHER_MS - waitedMs);
      else if (!(await flush(Math.max(10, SAFE_MS - waitedMs)))) await rest(PAUSE_MS);
    }
  };

  const replay = async (): Promise<void> => {
    if (detourSince !== null) await pool.sql`select 1`;
    // New rows go to the database again; those on the disk follow, in whatever order.
    detourSince = null;
    stuck = false;
    for (const segment of await spill.segments()) {
      const { rows, damaged } = await spill.read(segment);
      for (let i = 0; i < rows.length; i += BATCH_ROWS) await insert(rows.slice(i, i + BATCH_ROWS));
      await spill.remove(segment);
      // Only now, since a segment that the database does not take is read again.
      if (damaged === 0) continue;
      logger.error({ segment, lines: damaged }, "lines of the audit log on the disk could not be read");
      lose(damaged);
    }
  };

  let replaying: Promise<void> | null = null;
  const turn = (): void => {
    replaying ??= replay()
      .catch((error: unknown) => logger.debug({ error: messageOf(error) }, "the audit log stays on the disk"))
      .finally(() => {
        replaying = null;
      });
  };

  let running: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  return {
    add(row) {
      if (!queue.add(JSON.stringify(row))) lose(1);
      else if (queue.length === 1 || queue.length === BATCH_ROWS) wake();
    },
    assertAvailable() {
      if (stuck) throw new AuditUnavailableError();
    },
    async check() {
      if (stuck) throw new HealthError("the audit log can be written nowhere: changes are refused");
      if (detourSince !== null && now() - detourSince > NOTED_AFTER_MS) {
        throw new HealthError("the database does not take the audit log, which waits on the disk");
      }
    },
    async start() {
      metrics.onRead(async () => {
        metrics.auditQueued.set(queue.length);
        metrics.auditSpilled.set(spill.rows);
      });
      turn();
      timer = setInterval(turn, REPLAY_MS);
      running = pump();
    },
    async stop() {
      stopping = true;
      wake();
      clearInterval(timer);
      await running;
      tellLosses();
      const deadlineMs = monotonicMs() + FLUSH_MS;
      const leftMs = (): number => Math.max(0, deadlineMs - monotonicMs());
      while (queue.length > 0 && (await flush(leftMs())));
      if (queue.length > 0) logger.error({ rows: queue.length }, "rows of the audit log are lost");
      // Memory first, which the disk takes at once; the turn that goes on may have begun before that.
      if (replaying) await within(leftMs(), replaying);
      if (spill.rows > 0) turn();
      if (replaying) await within(leftMs(), replaying);
      await spill.close();
    },
  };
}

/** The content is at fault, and trying again does not help. */
function isRefusal(error: unknown): boolean {
  return !isConnectionLoss(error) && /^2[23]/.test(sqlState(error));
}
