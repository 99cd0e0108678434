import type { Database, Transaction } from "../db/sql.ts";
import { messageOf } from "../lib/errors.ts";
import type { Lifecycle } from "../lib/lifecycle.ts";
import { createPeriodic } from "../lib/periodic.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Auditor } from "./auditor.ts";
import { readHashAt } from "./chain-queries.ts";
import { type Anchor, type AuditKey, type Checkpoint, NO_ANCHOR } from "./checkpoint.ts";
import type { HeadFile } from "./head-file.ts";
import { systemActor } from "./model.ts";
import {
  dropMonths,
  dropSeals,
  firstCheckpointBehind,
  firstNumberFrom,
  hasUnsealedBefore,
  type Month,
  monthsBefore,
} from "./retention-queries.ts";
import { insertCheckpoint, lockChain, readHead, readNewestCheckpoints } from "./seal-queries.ts";
import { logCheckpoint, nextCheckpoint } from "./sealer.ts";

const TURN_MS = 60 * 60_000;
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
  /** Removes the months whose time is over, as far as all their entries have a number; answers their names. */
  sweep(): Promise<string[]>;
}

/**
 * Removes whole months of the log. A checkpoint behind them is signed first: it says what was removed, and the chain begins
 * with it from then on. Entries that came late, and have higher numbers than kept ones, go with their month; their digests
 * stay in the chain.
 */
export function createAuditRetention(deps: RetentionDeps): AuditRetention {
  const { db, audit, key, head, logger, now, days } = deps;
  const { begin } = db.dedicated({ name: "audit retention", max: 1, statementTimeoutMs: 60_000 });

  const remove = async (tx: Transaction): Promise<{ months: Month[]; checkpoint: Checkpoint } | null> => {
    const months = days === null ? [] : await monthsBefore(tx, days, new Date(now()));
    const until = months.at(-1)?.until;
    if (!until || !(await lockChain(tx, false)) || (await hasUnsealedBefore(tx, until))) return null;
    const end = await readHead(tx);
    const [newest = null] = await readNewestCheckpoints(tx, 1);
    const known = await head.read();
    // What was cut off must not become what was removed.
    const sequence = Math.max(newest?.sequence ?? 0, known?.sequence ?? 0);
    if (sequence > end.sequence || (known?.checkpoint ?? 0) > (newest?.number ?? 0)) return null;
    const number = (newest?.number ?? 0) + 1;
    const anchor = await nextAnchor(tx, newest?.anchor ?? NO_ANCHOR, end.sequence, until, number);
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
    return { months, checkpoint };
  };

  /** What the newest anchor stands for is of no more use. */
  const clear = async (): Promise<void> => {
    const [newest] = await readNewestCheckpoints(db.sql, 1);
    if (!newest || newest.anchor.time === null) return;
    while ((await begin((tx) => dropSeals(tx, newest.anchor, SEALS))) === SEALS);
  };

  const sweep = async (): Promise<string[]> => {
    const done = await begin(remove);
    if (done) logCheckpoint(logger, done.checkpoint);
    await clear();
    return done?.months.map(({ name }) => name) ?? [];
  };

  const turn = async (): Promise<void> => {
    try {
      const months = await sweep();
      if (months.length > 0)
        logger.info({ months }, "months of the audit log whose time is over were removed");
    } catch (error) {
      logger.warn(
        { error: messageOf(error) },
        "old months of the audit log could not be removed; tried again in an hour",
      );
    }
  };
  return { ...createPeriodic(turn, TURN_MS), sweep };
}

/** The chain without what is older than `until`: it begins with the first entry that is kept. */
async function nextAnchor(
  tx: Transaction,
  before: Anchor,
  end: number,
  until: Date,
  ownNumber: number,
): Promise<Anchor> {
  const first = await firstNumberFrom(tx, until, before.sequence);
  const sequence = (first ?? end + 1) - 1;
  if (sequence <= before.sequence) return { ...before, time: until };
  const hash = await readHashAt(tx, sequence);
  // Without it the chain has a gap there, which stays to be seen.
  if (!hash) return { ...before, time: until };
  return { sequence, hash, time: until, number: (await firstCheckpointBehind(tx, sequence)) ?? ownNumber };
}
