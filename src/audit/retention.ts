import type { Database, Sql, Transaction } from "../db/sql.ts";
import { messageOf } from "../lib/errors.ts";
import type { Lifecycle } from "../lib/lifecycle.ts";
import { createPeriodic } from "../lib/periodic.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Auditor } from "./auditor.ts";
import type { ChainPoint } from "./chain.ts";
import { readHashAt } from "./chain-queries.ts";
import type { Anchor, AuditKey, Checkpoint } from "./checkpoint.ts";
import type { HeadFile } from "./head-file.ts";
import { systemActor } from "./model.ts";
import {
  dropMonths,
  dropSeals,
  firstCheckpointBehind,
  firstNumberFrom,
  firstSignedFrom,
  hasUnsealedBefore,
  lockLog,
  type Month,
  monthsBefore,
} from "./retention-queries.ts";
import { insertCheckpoint, lockChain, readHead, readNewestCheckpoints } from "./seal-queries.ts";
import { logCheckpoint, nextCheckpoint } from "./sealer.ts";
import { newestAnchor, verifyLog } from "./verify.ts";

const TURN_MS = 60 * 60_000;
const FIRST_TURN_MS = 60_000;
/** Numbers that one statement removes. */
const SEALS = 5_000;

export interface RetentionDeps {
  readonly db: Database;
  readonly audit: Auditor;
  readonly key: AuditKey;
  readonly head: HeadFile;
  readonly logger: Logger;
  readonly now: () => number;
  /** How long entries are kept at least; null: for ever. */
  readonly days: number | null;
}

export interface AuditRetention extends Lifecycle {
  /**
   * Removes the months whose time is over, when all their entries have a number and are as they were written; answers
   * their names.
   */
  sweep(): Promise<string[]>;
}

/**
 * Removes whole months of the log. First they are verified, and a checkpoint behind them is signed: it says what was
 * removed, and the chain begins with it from then on. Entries that came late, and have higher numbers than kept ones, go with
 * their month, or with the next one if that is gone; their digests stay in the chain.
 */
export function createAuditRetention(deps: RetentionDeps): AuditRetention {
  const { db, audit, key, head, logger, now, days } = deps;
  const { begin } = db.dedicated({ name: "audit retention", max: 1, statementTimeoutMs: 60_000 });
  const stopping = new AbortController();

  /** What is to be removed now, and that it is as it was written; without the lock, since that takes long. */
  const plan = async (): Promise<Plan | null> => {
    const months = days === null ? [] : await monthsBefore(db.sql, days, new Date(now()));
    const until = months.at(-1)?.until;
    if (!until) return null;
    const before = await newestAnchor({ sql: db.sql, key: key.publicKey });
    const sequence = await lastNumberBefore(db.sql, until, before);
    if (sequence <= before.sequence) return { months, until, before, cut: before };
    const signed = await firstSignedFrom(db.sql, sequence);
    // The sealer signs within the hour.
    if (signed === null) return null;
    const { broken } = await verifyLog(
      { sql: db.sql, key: key.publicKey, known: await head.read(), signal: stopping.signal },
      { start: 0, end: signed },
    );
    const hash = await readHashAt(db.sql, sequence);
    if (!broken) return hash && { months, until, before, cut: { sequence, hash } };
    logger.error(
      { fault: broken.fault, sequence: broken.sequence, reason: broken.message },
      "old months of the audit log are kept: what would be signed as removed is not as it was written. Look at it with `sluice audit verify`.",
    );
    return null;
  };

  const remove = async (
    tx: Transaction,
    { months, until, before, cut }: Plan,
  ): Promise<Checkpoint | null> => {
    if (!(await lockChain(tx, false))) return null;
    await lockLog(tx);
    if (await hasUnsealedBefore(tx, until)) return null;
    // Another process may have been faster.
    const anchored = await newestAnchor({ sql: tx, key: key.publicKey });
    if (anchored.sequence !== before.sequence || anchored.time?.getTime() !== before.time?.getTime())
      return null;
    const end = await readHead(tx);
    const [newest = null] = await readNewestCheckpoints(tx, 1);
    const known = await head.read();
    // What was cut off must not become what was removed.
    const sequence = Math.max(newest?.sequence ?? 0, known?.sequence ?? 0);
    if (sequence > end.sequence || (known?.checkpoint ?? 0) > (newest?.number ?? 0)) return null;
    const number = (newest?.number ?? 0) + 1;
    const anchor = {
      ...cut,
      time: before.time && before.time > until ? before.time : until,
      number:
        cut.sequence > before.sequence
          ? ((await firstCheckpointBehind(tx, cut.sequence)) ?? number)
          : before.number,
    };
    const checkpoint = nextCheckpoint(key, end, { newest, number, time: new Date(now()), anchor });
    await insertCheckpoint(tx, checkpoint);
    await audit.record(tx, systemActor("retention"), {
      action: "audit.retention",
      resourceType: "audit_log",
      details: {
        removed_before: until,
        months: months.map(({ name }) => name),
        removed_up_to_sequence: anchor.sequence,
        checkpoint: checkpoint.number,
      },
    });
    await dropMonths(tx, months, until);
    return checkpoint;
  };

  /** What the newest anchor stands for is of no more use. */
  const clear = async (): Promise<void> => {
    const anchor = await newestAnchor({ sql: db.sql, key: key.publicKey });
    if (anchor.time === null) return;
    while ((await begin((tx) => dropSeals(tx, anchor, SEALS))) === SEALS);
  };

  const sweep = async (): Promise<string[]> => {
    const planned = await plan();
    const checkpoint = planned && (await begin((tx) => remove(tx, planned)));
    if (checkpoint) logCheckpoint(logger, checkpoint);
    await clear();
    return checkpoint ? planned.months.map(({ name }) => name) : [];
  };

  const turn = async (): Promise<void> => {
    try {
      const months = await sweep();
      if (months.length > 0)
        logger.info({ months }, "months of the audit log whose time is over were removed");
    } catch (error) {
      if (stopping.signal.aborted) return;
      logger.warn(
        { error: messageOf(error) },
        "old months of the audit log could not be removed; tried again in an hour",
      );
    }
  };
  const periodic = createPeriodic(turn, TURN_MS, FIRST_TURN_MS);
  return {
    start: () => periodic.start(),
    async stop() {
      stopping.abort();
      await periodic.stop();
    },
    sweep,
  };
}

interface Plan {
  readonly months: readonly Month[];
  readonly until: Date;
  /** What was removed before. */
  readonly before: Anchor;
  /** The last place of the chain that goes. */
  readonly cut: ChainPoint;
}

/** The number before that of the first entry that is kept. */
async function lastNumberBefore(sql: Sql, until: Date, before: Anchor): Promise<number> {
  const first = await firstNumberFrom(sql, until, before.sequence);
  return first === null ? (await readHead(sql)).sequence : first - 1;
}
