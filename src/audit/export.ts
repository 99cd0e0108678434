import { createHash } from "node:crypto";
import type { Database, ScopedSql, Sql } from "../db/sql.ts";
import type { Scope } from "../lib/caller.ts";
import {
  anchorFields,
  checkpointLine,
  endLine,
  endStatement,
  entryLine,
  filterFields,
  headerLine,
  linkLine,
  pointFields,
} from "./archive.ts";
import type { ChainPoint } from "./chain.ts";
import { numbersBetween, readChain, readHashAt } from "./chain-queries.ts";
import { type Anchor, type AuditKey, pemOf } from "./checkpoint.ts";
import { CSV_HEADER, csvLine } from "./csv.ts";
import type { EntryKey, LogFilter, LoggedEntry } from "./entries.ts";
import { readEntries } from "./log-queries.ts";
import { readCheckpoints, readHead } from "./seal-queries.ts";
import { newestAnchor } from "./verify.ts";

export type ExportFormat = "ndjson" | "csv";

/** Entries that are held at once; with details of 8 KiB each that is 4 MiB. */
const BATCH = 500;
const CHUNK_BYTES = 256 * 1024;
const MOST_CHECKPOINTS = 2 * BATCH;

export interface ExportDeps {
  readonly db: Pick<Database, "sql" | "scoped">;
  readonly key: AuditKey;
  readonly now: () => number;
}

interface Request {
  readonly scope: Scope;
  readonly filter: LogFilter;
  readonly signal: AbortSignal;
}

/**
 * The entries that a filter finds, oldest first, as the bytes of a file; read batch by batch as the reader takes them.
 * NDJSON of everybody's entries, with no filter but times, holds the chain and can be verified entry by entry; any NDJSON
 * is signed as a whole.
 */
export async function* exportLog(
  deps: ExportDeps,
  request: Request & { readonly format: ExportFormat },
): AsyncGenerator<Uint8Array> {
  const lines = request.format === "csv" ? csvLines(deps, request) : archiveLines(deps, request);
  yield* chunksOf(lines);
}

async function* csvLines({ db, now }: ExportDeps, request: Request): AsyncGenerator<string> {
  yield CSV_HEADER;
  for await (const entry of entriesByTime(db.scoped(request.scope), request, new Date(now())))
    yield csvLine(entry);
}

async function* archiveLines({ db, key, now }: ExportDeps, request: Request): AsyncGenerator<string> {
  const { scope, filter } = request;
  const fields = filterFields(filter);
  const narrower = Object.keys(fields).filter((name) => name !== "start_time" && name !== "end_time");
  const chain = scope.ownerId === null && narrower.length === 0;
  const time = new Date(now());
  const anchor = await newestAnchor({ sql: db.sql, key: key.publicKey });
  const range = chain ? await rangeOf(db.sql, anchor, filter) : null;
  const sha256 = createHash("sha256");
  let entries = 0;
  const signed = (line: string): string => {
    sha256.update(line);
    return line;
  };
  yield signed(
    headerLine({
      time: time.toISOString(),
      chain,
      filter: fields,
      start: pointFields(range?.start ?? anchor),
      anchor: anchorFields(anchor),
      public_key: pemOf(key.publicKey),
    }),
  );
  if (range) {
    for await (const { line, isEntry } of chainLines(db.sql, request, range)) {
      if (isEntry) entries++;
      yield signed(line);
    }
  } else if (!chain) {
    for await (const entry of entriesByTime(db.scoped(request.scope), request, time)) {
      const { sequence, hash } = entry;
      entries++;
      yield signed(entryLine(entry, sequence && hash ? { sequence, hash } : null));
    }
  }
  const end = { entries, sha256: sha256.digest("hex") };
  yield endLine({ ...end, signature: key.sign(endStatement(end)).toString("base64") });
}

/** Every entry of the chain between two numbers, those outside the filter as digests, and the checkpoints among them. */
async function* chainLines(
  sql: Sql,
  { filter, signal }: Request,
  { start, to, anchor }: ChainRange,
): AsyncGenerator<{ line: string; isEntry: boolean }> {
  let after = start.sequence;
  let lastNumber = anchor.number - 1;
  while (after < to) {
    signal.throwIfAborted();
    const rows = await readChain(sql, { after, to, limit: BATCH });
    const last = rows.at(-1);
    if (!last) return;
    const due = await readCheckpoints(sql, {
      from: after,
      to: last.sequence,
      after: lastNumber,
      limit: MOST_CHECKPOINTS,
    });
    const checkpoints = function* (upTo: number) {
      for (let next = due[0]; next && next.sequence <= upTo; next = due[0]) {
        due.shift();
        lastNumber = next.number;
        yield { line: checkpointLine(next), isEntry: false };
      }
    };
    yield* checkpoints(after);
    for (const row of rows) {
      const isGone = anchor.time !== null && row.timestamp < anchor.time;
      if (row.entry && isWithin(filter, row.timestamp))
        yield { line: entryLine(row.entry, row), isEntry: true };
      // One that was removed is left out, so that the file shows the gap.
      else if (row.entry || isGone) yield { line: linkLine(row), isEntry: false };
      yield* checkpoints(row.sequence);
    }
    after = last.sequence;
  }
}

const isWithin = ({ start, end }: LogFilter, time: Date): boolean =>
  (!start || time >= start) && (!end || time < end);

interface ChainRange {
  readonly start: ChainPoint;
  readonly to: number;
  readonly anchor: Anchor;
}

/** Which numbers an export of the chain holds; null: none. */
async function rangeOf(sql: Sql, anchor: Anchor, { start, end }: LogFilter): Promise<ChainRange | null> {
  const head = await readHead(sql);
  if (!start && !end) return { start: anchor, to: head.sequence, anchor };
  const numbers = await numbersBetween(sql, { start, end });
  if (!numbers || numbers.last <= anchor.sequence) return null;
  const before = Math.max(numbers.first - 1, anchor.sequence);
  const hash = before === anchor.sequence ? anchor.hash : await readHashAt(sql, before);
  // Without the one before, it begins a gap earlier, where the file shows it.
  return hash
    ? { start: { sequence: before, hash }, to: numbers.last, anchor }
    : { start: anchor, to: numbers.last, anchor };
}

/** Entries that were there when the export began. */
async function* entriesByTime(
  sql: ScopedSql,
  { filter, signal }: Request,
  begun: Date,
): AsyncGenerator<LoggedEntry> {
  const end = filter.end && filter.end < begun ? filter.end : begun;
  for (let after: EntryKey | null = null; ; ) {
    signal.throwIfAborted();
    const page = await readEntries(sql, { ...filter, end }, { after, limit: BATCH, newestFirst: false });
    yield* page;
    after = page.at(-1) ?? null;
    if (page.length < BATCH) return;
  }
}

/** Lines in pieces of about 256 KiB; the next is made when the reader asks for it. */
async function* chunksOf(lines: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  let parts: Buffer[] = [];
  let size = 0;
  for await (const line of lines) {
    const bytes = Buffer.from(line);
    parts.push(bytes);
    size += bytes.length;
    if (size < CHUNK_BYTES) continue;
    yield Buffer.concat(parts);
    parts = [];
    size = 0;
  }
  if (size > 0) yield Buffer.concat(parts);
}
