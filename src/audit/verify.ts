import type { KeyObject } from "node:crypto";
import type { Sql } from "../db/sql.ts";
import { type ChainPoint, digestOf } from "./chain.ts";
import { type ChainRow, findAdded, hasEntry, hasLaterEntry, readChain, readHashAt } from "./chain-queries.ts";
import { type Anchor, type Checkpoint, isSigned, NO_ANCHOR } from "./checkpoint.ts";
import type { KnownHead } from "./head-file.ts";
import {
  type Backlog,
  readCheckpoints,
  readHead,
  readNewestCheckpoints,
  unsealedBacklog,
} from "./seal-queries.ts";
import { type Broken, type ChainVerifier, createChainVerifier, gap, truncated } from "./verifier.ts";

/** Entries that are held at once. */
const BATCH = 500;
/** Entries that are looked at by their time at once; only their keys are. */
const KEYS = 5_000;
const MOST_UNSEALED = 1_000_000;
/** Of the entries of one batch; mostly there is none. */
const MOST_CHECKPOINTS = 2 * BATCH;
const END = Number.MAX_SAFE_INTEGER;

/** What became of a verification. */
export interface Verdict {
  /** Null: everything is as it was written. */
  readonly broken: Broken | null;
  /** Entries whose content was compared. */
  readonly checked: number;
  /** First and last number that were looked at; 0 = none. */
  readonly first: number;
  readonly last: number;
  readonly checkpoints: number;
  /** What retention has removed. */
  readonly anchor: Anchor;
  readonly newestCheckpoint: Checkpoint | null;
  /** Entries that have no number yet, up to 1,000,000. */
  readonly unsealed: number;
}

/** The parts of a verification. */
export interface VerifyDeps {
  readonly sql: Sql;
  readonly key: KeyObject;
  /** The end of the chain as this machine remembers it. */
  readonly known: KnownHead | null;
  readonly signal?: AbortSignal | undefined;
}

/** Numbers of the chain; `start` 0 = the oldest that is kept, `end` 0 = the newest. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * Walks the chain from one number to another and names the first entry that is not as it was written. Without an end it
 * also looks for a tail that was cut off, and without a beginning for entries that never got a number. Constant memory.
 */
export async function verifyLog(deps: VerifyDeps, range: Range): Promise<Verdict> {
  for (;;) {
    const anchor = await newestAnchor(deps);
    const verdict = await verifyFrom(deps, range, anchor);
    // What retention has removed meanwhile is not missed.
    if (!verdict.broken || (await newestAnchor(deps)).sequence === anchor.sequence) return verdict;
  }
}

/** The same for the newest entries, up to `count`, and a tail that was cut off. */
export async function verifyNewest(deps: VerifyDeps, count: number): Promise<Verdict> {
  const { sequence } = await readHead(deps.sql);
  return await verifyLog(deps, { start: Math.max(1, sequence - count + 1), end: 0 });
}

/** The entries that have no number yet, up to 1,000,000. */
export async function auditBacklog(sql: Sql): Promise<Backlog> {
  return await unsealedBacklog(sql, MOST_UNSEALED);
}

async function verifyFrom(deps: VerifyDeps, range: Range, anchor: Anchor): Promise<Verdict> {
  const { sql, key, known, signal } = deps;
  const begins = await beginningOf(sql, anchor, range.start);
  const whole = begins.start.sequence === anchor.sequence;
  const verifier = createChainVerifier({
    start: begins.start,
    firstNumber: whole ? anchor.number : null,
    key,
  });
  let checked = 0;
  let checkpoints = 0;
  const lastNumber = (): number => verifier.lastCheckpoint?.number ?? anchor.number - 1;

  const walk = async (): Promise<Broken | null> => {
    if (begins.broken) return begins.broken;
    for (;;) {
      signal?.throwIfAborted();
      // Before the entries, which are written with it or earlier.
      const [newest] = await readNewestCheckpoints(sql, 1);
      const after = verifier.last.sequence;
      const rows = await readChain(sql, { after, to: range.end || END, limit: BATCH });
      if (rows.length === 0) return await endFault(newest);
      const due = await readCheckpoints(sql, {
        from: after,
        to: rows.at(-1)?.sequence ?? after,
        after: lastNumber(),
        limit: MOST_CHECKPOINTS,
      });
      const checkpointFault = (): Broken | null => {
        while (due[0] && due[0].sequence <= verifier.last.sequence) {
          const bad = verifier.checkpoint(due[0]);
          if (bad) return bad;
          due.shift();
          checkpoints++;
        }
        return null;
      };
      for (const row of rows) {
        const broken =
          checkpointFault() ?? (await linkFault(sql, verifier, row, anchor)) ?? headFault(known, row);
        if (broken) return broken;
        if (row.entry) checked++;
      }
      const bad = checkpointFault();
      if (bad) return bad;
    }
  };

  /** What is missed between the last entry and the end of the range. */
  const endFault = async (newest: Checkpoint | undefined): Promise<Broken | null> => {
    const { sequence } = verifier.last;
    if (!range.end) return await tailFault(newest);
    if (sequence >= range.end) return null;
    const [later] = await readChain(sql, { after: sequence, to: END, limit: 1 });
    return later ? gap(sequence + 1, later.sequence - 1) : await tailFault(newest);
  };

  /** What is missed behind the last entry. */
  const tailFault = async (newest: Checkpoint | undefined): Promise<Broken | null> => {
    const { sequence } = verifier.last;
    if (newest && newest.sequence > sequence) {
      const [next] = await readCheckpoints(sql, {
        from: sequence + 1,
        to: END,
        after: lastNumber(),
        limit: 1,
      });
      return verifier.checkpoint(next ?? newest);
    }
    if (known && known.sequence > sequence) {
      return truncated(sequence + 1, `this server has seen entries up to ${known.sequence}`);
    }
    if (whole && known && known.checkpoint > lastNumber()) {
      const message = `Checkpoint ${lastNumber() + 1}, at or before entry ${sequence}, is missing; this server has seen it.`;
      return { fault: "BAD_CHECKPOINT", sequence, id: "", message };
    }
    return range.start || range.end ? null : await addedFault(sql, signal);
  };

  const broken = await walk();
  const { entries: unsealed } = await auditBacklog(sql);
  const { sequence } = verifier.last;
  const any = sequence > begins.start.sequence;
  return {
    broken,
    checked,
    first: any ? begins.start.sequence + 1 : 0,
    last: any ? sequence : 0,
    checkpoints,
    anchor,
    newestCheckpoint: verifier.lastCheckpoint,
    unsealed,
  };
}

/** What retention has removed, as the newest checkpoint with a good signature says; the walk comes upon bad ones. */
export async function newestAnchor({ sql, key }: Pick<VerifyDeps, "sql" | "key">): Promise<Anchor> {
  for (let before = END; ; ) {
    const page = await readNewestCheckpoints(sql, BATCH, before);
    const good = page.find((checkpoint) => isSigned(key, checkpoint));
    if (good) return good.anchor;
    const last = page.at(-1);
    if (!last) return NO_ANCHOR;
    before = last.number;
  }
}

async function beginningOf(
  sql: Sql,
  anchor: Anchor,
  first: number,
): Promise<{ start: ChainPoint; broken: Broken | null }> {
  if (first <= anchor.sequence + 1) return { start: anchor, broken: null };
  const hash = await readHashAt(sql, first - 1);
  if (hash) return { start: { sequence: first - 1, hash }, broken: null };
  const later = await readChain(sql, { after: first - 1, to: END, limit: 1 });
  return {
    start: { sequence: first - 1, hash: anchor.hash },
    // Behind the end there is nothing to check.
    broken: later.length > 0 ? gap(first - 1, first - 1) : null,
  };
}

async function linkFault(
  sql: Sql,
  verifier: ChainVerifier,
  row: ChainRow,
  anchor: Anchor,
): Promise<Broken | null> {
  const { sequence, id, entry } = row;
  const expected = verifier.last.sequence + 1;
  if (sequence !== expected) return gap(expected, sequence - 1);
  if (entry) {
    const isSame =
      digestOf(entry).equals(row.digest) && entry.timestamp.getTime() === row.timestamp.getTime();
    if (isSame) return verifier.link(row);
    return { fault: "CHANGED", sequence, id, message: `Entry ${sequence} is not as it was written.` };
  }
  // Its content went with its month; the chain has its digest and its time.
  if (anchor.time && row.timestamp < anchor.time) return verifier.link(row);
  if (await hasEntry(sql, id)) {
    return {
      fault: "CHANGED",
      sequence,
      id,
      message: `Entry ${sequence} has another time than it was written with.`,
    };
  }
  if (await hasLaterEntry(sql, sequence)) return { ...gap(sequence, sequence), id };
  return truncated(sequence, "the chain has its number and hash, and it and all later ones are gone", id);
}

function headFault(known: KnownHead | null, { sequence, id, hash }: ChainRow): Broken | null {
  if (!known || known.sequence !== sequence || known.hash.equals(hash)) return null;
  return {
    fault: "CHANGED",
    sequence,
    id,
    message: `The chain was written anew: at entry ${sequence} it has another hash than this server has seen.`,
  };
}

/** An entry that never was given a number was not written by Sluice. */
async function addedFault(sql: Sql, signal?: AbortSignal): Promise<Broken | null> {
  for (let after: Parameters<typeof findAdded>[1] = null; ; ) {
    signal?.throwIfAborted();
    const { added, last } = await findAdded(sql, after, KEYS);
    if (added) {
      return {
        fault: "ADDED",
        sequence: 0,
        id: added.id,
        message: `Entry ${added.id} of ${added.timestamp.toISOString()} was added past the service: it has no number and waits for none.`,
      };
    }
    if (!last) return null;
    after = last;
  }
}
