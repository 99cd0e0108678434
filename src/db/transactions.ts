import type postgres from "postgres";
import type { Connection } from "./socket.ts";

type Transaction = postgres.TransactionSql;
type Opening = (sql: postgres.ISql) => Promise<unknown>;

/** The connection of a transaction was lost: nothing of it was committed, unless the loss came with the commit. */
export class TransactionLostError extends Error {
  override name = "TransactionLostError";
  /** As the driver marks lost connections. */
  readonly code = "CONNECTION_CLOSED";
  constructor() {
    super("The connection to the database was lost in the middle of a transaction.");
  }
}

/** A statement of the transaction has failed, so nothing of it was committed. */
export class TransactionFailedError extends Error {
  override name = "TransactionFailedError";
  constructor() {
    super("A statement of the transaction failed, and the whole was rolled back.");
  }
}

/** No connection came free in time. */
export class TransactionQueueError extends Error {
  override name = "TransactionQueueError";
  readonly code = "CONNECT_TIMEOUT";
  constructor(waitedMs: number) {
    super(`No connection for a transaction came free within ${waitedMs} ms.`);
  }
}

const afterCommits = new WeakMap<object, (() => void)[]>();

/** Calls `then` when the transaction is committed, and never if it is not; at once for what is no open transaction. */
export function afterCommit(sql: postgres.ISql, then: () => void): void {
  const waiting = afterCommits.get(sql);
  if (waiting) waiting.push(then);
  else then();
}

export interface TransactionPool {
  /** @param opening a statement that goes with the beginning, before any of `work` and without a wait of its own */
  begin<T>(work: (tx: Transaction) => Promise<T>, opening?: Opening): Promise<T>;
  close(): Promise<void>;
}

/** A driver of one connection, and what happened to that connection. */
interface Line {
  readonly sql: postgres.Sql;
  lost: boolean;
  /** It has begun a transaction before. */
  used: boolean;
  onLost: (() => void) | null;
}

const MAX_WAIT_MS = 15_000;

/**
 * Transactions, each on a connection that is its own while it lasts. The driver's own `begin` lets statements of a
 * transaction whose connection was lost go on over the next one, into whatever runs there; here a lost connection
 * ends its transaction, refuses its later statements and is never used again.
 * @param connect makes a driver of one connection
 */
export function createTransactionPool(
  connect: (connection: Connection) => postgres.Sql,
  max: number,
): TransactionPool {
  const idle: Line[] = [];
  const waiting: { take(line: Line): void; give(error: Error): void }[] = [];
  let open = 0;
  let closed = false;

  const newLine = (): Line => {
    open++;
    const line: Line = {
      lost: false,
      used: false,
      onLost: null,
      sql: connect({
        onLost() {
          line.lost = true;
          line.onLost?.();
        },
        isOver: () => line.lost,
      }),
    };
    return line;
  };

  const acquire = async (): Promise<Line> => {
    for (let line = idle.pop(); line; line = idle.pop()) {
      if (!line.lost) return line;
      discard(line);
    }
    if (open < max) return newLine();
    return await new Promise<Line>((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.splice(waiting.indexOf(waiter), 1);
        reject(new TransactionQueueError(MAX_WAIT_MS));
      }, MAX_WAIT_MS);
      const waiter = {
        take(line: Line) {
          clearTimeout(timer);
          resolve(line);
        },
        give(error: Error) {
          clearTimeout(timer);
          reject(error);
        },
      };
      waiting.push(waiter);
    });
  };

  const discard = (line: Line): void => {
    open--;
    // Whatever still waits on it has failed already.
    line.sql.end({ timeout: 0 }).catch(() => {});
  };

  const release = (line: Line): void => {
    line.onLost = null;
    const usable = !line.lost && !closed;
    if (!usable) discard(line);
    const next = waiting.shift();
    if (next) next.take(usable ? line : newLine());
    else if (usable) idle.push(line);
  };

  /** A connection with a transaction begun. One that the server had closed while it was idle is replaced, once. */
  const started = async (opening: Opening | undefined, mayRetry = true): Promise<Line> => {
    const line = await acquire();
    try {
      await Promise.race([Promise.all([line.sql`begin`, opening?.(line.sql)]), lossOf(line)]);
    } catch (error) {
      const again = mayRetry && line.used && !closed;
      line.lost = true;
      release(line);
      if (again) return await started(opening, false);
      throw error;
    }
    line.used = true;
    return line;
  };

  const run = async <T>(line: Line, work: (tx: Transaction) => Promise<T>): Promise<T> => {
    const state = { over: false };
    const lost = lossOf(line);
    lost.catch(() => {
      state.over = true;
    });
    const tx = guarded(line.sql, state);
    const afterwards: (() => void)[] = [];
    afterCommits.set(tx, afterwards);
    try {
      const result = await Promise.race([work(tx), lost]);
      state.over = true;
      const { command } = await Promise.race([line.sql`commit`, lost]);
      // Its work has caught the failure of a statement, after which the server keeps nothing.
      if (command !== "COMMIT") throw new TransactionFailedError();
      for (const then of afterwards) then();
      return result;
    } catch (error) {
      state.over = true;
      if (!line.lost) {
        await Promise.race([line.sql`rollback`, lost]).catch(() => {
          line.lost = true;
        });
      }
      throw error;
    }
  };

  return {
    async begin(work, opening) {
      if (closed) throw new TransactionLostError();
      const line = await started(opening);
      try {
        return await run(line, work);
      } finally {
        release(line);
      }
    },
    async close() {
      closed = true;
      for (const waiter of waiting.splice(0)) waiter.give(new TransactionLostError());
      await Promise.all(idle.splice(0).map(({ sql }) => sql.end({ timeout: 5 })));
    },
  };
}

/** Rejects when the connection is lost. */
function lossOf(line: Line): Promise<never> {
  const lost = new Promise<never>((_, reject) => {
    line.onLost = () => reject(new TransactionLostError());
    if (line.lost) line.onLost();
  });
  lost.catch(() => {});
  return lost;
}

/** The statements of a transaction: refused once it is over, so that none runs outside it. */
function guarded(sql: postgres.Sql, state: { readonly over: boolean }): Transaction {
  let savepoints = 0;
  const refuse = (): Promise<never> => {
    const refusal = Promise.reject(new TransactionLostError());
    refusal.catch(() => {});
    return refusal;
  };
  const call = (first: unknown, ...rest: unknown[]): unknown => {
    const isStatement = Array.isArray(first) && "raw" in first;
    if (isStatement && state.over) return refuse();
    return (sql as unknown as (...args: unknown[]) => unknown)(first, ...rest);
  };
  const tx = Object.assign(call, {
    unsafe: (...args: Parameters<postgres.Sql["unsafe"]>) => (state.over ? refuse() : sql.unsafe(...args)),
    async savepoint<T>(work: (inner: Transaction) => Promise<T>): Promise<T> {
      const name = `s${++savepoints}`;
      const before = afterCommits.get(tx)?.length ?? 0;
      await tx.unsafe(`savepoint ${name}`);
      try {
        const result = await work(tx as unknown as Transaction);
        await tx.unsafe(`release savepoint ${name}`);
        return result;
      } catch (error) {
        afterCommits.get(tx)?.splice(before);
        if (!state.over) await tx.unsafe(`rollback to savepoint ${name}`);
        throw error;
      }
    },
  });
  return tx as unknown as Transaction;
}
