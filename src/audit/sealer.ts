import type { Database, Transaction } from "../db/sql.ts";
import { messageOf } from "../lib/errors.ts";
import type { Lifecycle } from "../lib/lifecycle.ts";
import { createPeriodic } from "../lib/periodic.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Auditor } from "./auditor.ts";
import { type ChainPoint, digestOf, follow } from "./chain.ts";
import { type Anchor, type AuditKey, type Checkpoint, signCheckpoint } from "./checkpoint.ts";
import type { HeadFile, KnownHead } from "./head-file.ts";
import { systemActor } from "./model.ts";
import {
  insertCheckpoint,
  lockChain,
  readHead,
  readNewestCheckpoints,
  readUnsealed,
  type Seal,
  type Unsealed,
  writeSeals,
} from "./seal-queries.ts";
import { newestAnchor } from "./verify.ts";

/** Entries of one transaction: few enough that hashing them holds up no call for long. */
const BATCH = 1_000;
/** Entries settle for so long, so that most get their numbers in the order of their time. */
const SETTLE_MS = 2_000;
const TICK_MS = 1_000;
/** Transactions of one turn: a long backlog must not keep a stop waiting. */
const MAX_BATCHES = 100;
/** In a long turn the end of the chain is noted so often. */
const NOTE_MS = 1_000;
const CHECKPOINT_ENTRIES = 10_000;
const CHECKPOINT_MS = 60 * 60_000;

export interface SealerDeps {
  readonly db: Database;
  readonly audit: Auditor;
  readonly key: AuditKey;
  readonly head: HeadFile;
  readonly logger: Logger;
  readonly now: () => number;
}

export interface Sealer extends Lifecycle {
  /** Gives numbers to what has settled, unless another process is about it. Answers how many entries got one. */
  seal(): Promise<number>;
  /** Gives numbers to all that was written before, a backlog of more than 100,000 excepted. */
  sealAll(): Promise<number>;
}

/**
 * Gives each entry its number and hash, and signs checkpoints: every hour, and every 10,000 entries. Any number of
 * processes may do so; a lock lets one at a time, and the next go on when it is gone. No number is given twice, to entries
 * or to checkpoints: where the end of the chain has been cut off, it goes on behind what is known to have been there, and the gap stays to be seen.
 */
export function createSealer({ db, audit, key, head, logger, now }: SealerDeps): Sealer {
  const { begin } = db.dedicated({ name: "audit seal", max: 1, statementTimeoutMs: 15_000 });
  let reportedCut = 0;

  /** Where the chain goes on. */
  const endOf = (stored: ChainPoint, known: KnownHead | null, newest: Checkpoint | null): ChainPoint => {
    const farthest = [known, newest].reduce<ChainPoint>(
      (most, point) => (point && point.sequence > most.sequence ? point : most),
      stored,
    );
    if (farthest !== stored && reportedCut !== stored.sequence + 1) {
      reportedCut = stored.sequence + 1;
      logger.error(
        { last: stored.sequence, known: farthest.sequence },
        "the end of the audit log is missing: entries were removed from the database, or it was restored from a backup. The numbering goes on behind the gap.",
      );
    }
    return { sequence: farthest.sequence, hash: farthest.hash };
  };

  const reportGone = async (tx: Transaction, gone: readonly Unsealed["key"][]): Promise<void> => {
    if (gone.length === 0) return;
    logger.error(
      { ids: gone.map(({ id }) => id) },
      "entries of the audit log were removed before they were sealed",
    );
    const actor = systemActor("audit");
    await audit.recordMany(
      tx,
      gone.map(({ id, timestamp }) => ({
        actor,
        action: "audit.entry_missing",
        resourceType: "audit_log",
        resourceId: id,
        success: false,
        errorMessage: "The entry was removed before it was sealed.",
        details: { timestamp },
      })),
    );
  };

  const batch = async ({ settleMs, wait }: Eagerness): Promise<{ count: number; head: KnownHead } | null> => {
    const known = await head.read();
    const done = await begin(async (tx) => {
      if (!(await lockChain(tx, wait))) return null;
      const [newest = null] = await readNewestCheckpoints(tx, 1);
      let end = endOf(await readHead(tx), known, newest);
      const waiting = await readUnsealed(tx, { settleMs, limit: BATCH });
      const seals: Seal[] = [];
      for (const { key: of, entry } of waiting) {
        if (!entry) continue;
        const digest = digestOf(entry);
        end = follow(end, { digest, timestamp: entry.timestamp });
        seals.push({ ...of, ...end, digest });
      }
      const gone = waiting.filter(({ entry }) => !entry).map(({ key: of }) => of);
      if (waiting.length > 0) await writeSeals(tx, seals, gone);
      await reportGone(tx, gone);
      const next = {
        newest,
        number: Math.max(newest?.number ?? 0, known?.checkpoint ?? 0) + 1,
        time: new Date(now()),
      };
      const checkpoint = isDue(end, newest, now())
        ? nextCheckpoint(key, end, {
            ...next,
            // Not that of the newest one, which may be forged.
            anchor: await newestAnchor({ sql: tx, key: key.publicKey }),
          })
        : null;
      if (checkpoint) await insertCheckpoint(tx, checkpoint);
      return { count: waiting.length, end, checkpoint, number: (checkpoint ?? newest)?.number ?? 0 };
    });
    if (!done) return null;
    if (done.checkpoint) logCheckpoint(logger, done.checkpoint);
    return { count: done.count, head: { ...done.end, checkpoint: done.number } };
  };

  const batches = async (eagerness: Eagerness): Promise<number> => {
    let sealed = 0;
    let notedAt = performance.now();
    for (let turn = 1; ; turn++) {
      const done = await batch(eagerness);
      if (!done) return sealed;
      sealed += done.count;
      const isLast = done.count < BATCH || turn === MAX_BATCHES;
      if (isLast || performance.now() - notedAt > NOTE_MS) {
        if (done.head.sequence > 0) await head.note(done.head);
        notedAt = performance.now();
      }
      if (isLast) return sealed;
    }
  };
  const seal = (): Promise<number> => batches({ settleMs: SETTLE_MS, wait: false });
  const sealAll = (): Promise<number> => batches({ settleMs: 0, wait: true });

  const turn = async (): Promise<void> => {
    try {
      await seal();
    } catch (error) {
      logger.warn({ error: messageOf(error) }, "the audit log could not be sealed; tried again soon");
    }
  };
  return { ...createPeriodic(turn, TICK_MS), seal, sealAll };
}

interface Eagerness {
  readonly settleMs: number;
  readonly wait: boolean;
}

function isDue(end: ChainPoint, newest: Checkpoint | null, now: number): boolean {
  const since = end.sequence - (newest?.sequence ?? 0);
  if (since === 0) return false;
  return !newest || since >= CHECKPOINT_ENTRIES || now - newest.time.getTime() >= CHECKPOINT_MS;
}

/** The checkpoint of an end of the chain that follows the newest one. */
export function nextCheckpoint(
  key: AuditKey,
  end: ChainPoint,
  next: { newest: Checkpoint | null; number: number; time: Date; anchor: Anchor },
): Checkpoint {
  const { newest, number, time, anchor } = next;
  return signCheckpoint(key, {
    ...end,
    number,
    count: end.sequence - (newest?.sequence ?? 0),
    time,
    anchor,
    previousSignature: newest?.signature ?? Buffer.alloc(0),
  });
}

/** The log is a further place outside the database that knows the chain. */
export function logCheckpoint(logger: Logger, checkpoint: Checkpoint): void {
  const { number, sequence, count, time } = checkpoint;
  logger.info(
    {
      checkpoint: number,
      sequence,
      hash: checkpoint.hash.toString("hex"),
      count,
      time: time.toISOString(),
      signature: checkpoint.signature.toString("base64"),
    },
    "the audit log was signed up to an entry",
  );
}
