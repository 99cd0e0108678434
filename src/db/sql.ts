import postgres from "postgres";
import type { Scope } from "../lib/caller.ts";
import {
  enterScope,
  ownersOf,
  type ScopedSql,
  type ScopedTransaction,
  type WalledTransaction,
  walled,
} from "./scoped.ts";
import { type Connection, createSockets } from "./socket.ts";
import { createStatementPool, type StatementPool } from "./statements.ts";
import { createTransactionPool } from "./transactions.ts";

export { isConnectionLoss } from "./connection-loss.ts";
export { inScope, type ScopedSql, type ScopedTransaction, type WalledTransaction } from "./scoped.ts";
export { afterCommit } from "./transactions.ts";

/** A pool, a reserved connection or a transaction: what every query function takes first. */
export type Sql = postgres.ISql;
/** A transaction: for verbs that must not run outside one. */
export type Transaction = postgres.TransactionSql;
export type Fragment = postgres.PendingQuery<postgres.Row[]>;

/** The process's connections to Postgres. */
export interface Database {
  /** Pool for the service's own statements: they see everybody's rows. */
  readonly sql: Sql;
  /** Runs `work` in a transaction of the service's own; rolls back when it throws. */
  begin<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** Statements that read in the name of a caller, and see nothing outside of `scope`. */
  scoped(scope: Scope): ScopedSql;
  /** Like `begin`, in the name of a caller: nothing outside of `scope` can be seen or changed. */
  beginScoped<T>(scope: Scope, work: (tx: ScopedTransaction) => Promise<T>): Promise<T>;
  /** The same for several callers whose changes share a transaction. */
  beginWalled<T>(scopes: readonly Scope[], work: (tx: WalledTransaction) => Promise<T>): Promise<T>;
  /**
   * A further pool with settings of its own, for duties that must not wait behind callers: heartbeats,
   * claims. Closed with the database.
   */
  dedicated(options: DedicatedOptions): DedicatedPool;
  /**
   * Follows a NOTIFY channel on the process's one listening connection. `onReady` is called at the first
   * subscription and after each reconnection, since what was sent in between is lost.
   */
  listen(channel: string, onPayload: (payload: string) => void, onReady: () => void): Promise<void>;
  /** Sends payloads (each below 8,000 bytes) to a channel, in one statement of its own. */
  notify(channel: string, payloads: readonly string[]): Promise<void>;
  /** Resolves if the server answers within `timeoutMs`. */
  ping(timeoutMs: number): Promise<void>;
  close(): Promise<void>;
}

export interface DedicatedOptions {
  readonly name: string;
  readonly max: number;
  readonly statementTimeoutMs: number;
  /** Further settings of its sessions, e.g. `synchronous_commit`. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface DedicatedPool {
  readonly sql: Sql;
  begin<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
}

export interface DatabaseOptions {
  readonly url: string;
  readonly maxConnections: number;
  readonly statementTimeoutMs: number;
  readonly applicationName: string;
  /**
   * How long beyond `statementTimeoutMs` an answer may be on its way, 5,000 unless given. After that the statement
   * fails as a connection loss, and its connection is replaced.
   */
  readonly answerMarginMs?: number;
}

/** A transaction left open keeps every later claim slow (dead rows stay); the server ends it for its owner. */
const IDLE_IN_TRANSACTION_MS = 30_000;
/** The listening connection has nothing to say by itself; made anew so often, a dead one is noticed. */
const LISTEN_ANEW_MS = 60_000;
/** Longest pause between two tries to connect. The driver's own grows to 20 s, and a database is often back after two. */
const RECONNECT_MS = 500;
/** Connections are made anew after an hour: the server's memory for each grows, and its address may have moved. */
const OLD_MS = 60 * 60_000;

/** Opens no connection yet: the first statement does. */
export function openDatabase(options: DatabaseOptions): Database {
  const closers: (() => Promise<void>)[] = [];
  const { answerMarginMs = 5_000 } = options;
  /** `longestMs`: until then a healthy connection has said something, or is idle. */
  const connect = (
    name: string,
    of: Omit<DedicatedOptions, "name">,
    longestMs: number,
    connection?: Connection,
    further: postgres.Options<never> = {},
  ) => {
    const silenceMs = longestMs + answerMarginMs;
    return postgres(options.url, {
      max: of.max,
      // The types in use are built in; without this every connection starts with a catalogue query.
      fetch_types: false,
      // Idle ones are closed in good order before silence counts as death; a start is given up before that too.
      idle_timeout: (longestMs + answerMarginMs / 2) / 1_000,
      connect_timeout: Math.min(10, (silenceMs * 0.8) / 1_000),
      keep_alive: 30,
      backoff: (failures) => Math.min(RECONNECT_MS, 25 * 2 ** failures) / 1_000,
      transform: { column: { from: postgres.toCamel } },
      onnotice: () => {},
      connection: {
        application_name: `${options.applicationName}:${name}`,
        statement_timeout: of.statementTimeoutMs,
        idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
        lock_timeout: Math.min(10_000, of.statementTimeoutMs),
        TimeZone: "UTC",
        // What the policies of the tables read: the service's own work sees all rows.
        "sluice.scope": "*",
        ...of.settings,
      },
      ...further,
      ...{ socket: createSockets(silenceMs, connection) },
    });
  };
  const openStatements = (name: string, of: Omit<DedicatedOptions, "name">): StatementPool => {
    const statements = createStatementPool(
      (connection) =>
        // Its pool ends it, when nothing is on its way.
        connect(name, { ...of, max: 1 }, of.statementTimeoutMs, connection, {
          idle_timeout: 0,
          max_lifetime: null,
        }),
      { max: of.max, idleMs: of.statementTimeoutMs + answerMarginMs / 2, oldMs: OLD_MS },
    );
    closers.push(statements.close);
    return statements;
  };
  const open = (name: string, of: Omit<DedicatedOptions, "name">) => {
    const statements = openStatements(name, of);
    const longestMs = Math.max(of.statementTimeoutMs, IDLE_IN_TRANSACTION_MS);
    const transactions = createTransactionPool(
      (connection) => connect(`${name} tx`, { ...of, max: 1 }, longestMs, connection, { max_lifetime: null }),
      of.max,
    );
    closers.push(transactions.close);
    return { statements, begin: transactions.begin };
  };
  const { statementTimeoutMs } = options;
  const listening = connect("main", { max: 1, statementTimeoutMs }, LISTEN_ANEW_MS);
  closers.push(() => listening.end({ timeout: 5 }));
  // Half for single statements, half for transactions.
  const half = Math.max(1, Math.floor(options.maxConnections / 2));
  const { statements, begin } = open("main", { max: half, statementTimeoutMs });
  const main = statements.sql;
  // Connections of their own: the server plans a statement anew when it comes from another role than before.
  const callers = openStatements("callers", {
    max: half,
    statementTimeoutMs,
    settings: { "sluice.scope": "", default_transaction_read_only: "on" },
  });
  const beginWalled: Database["beginWalled"] = async (scopes, work) => {
    const owners = ownersOf(scopes);
    const opening = owners === null ? undefined : (sql: Sql) => enterScope(sql, owners, true);
    return await begin((tx) => work(walled(tx, owners)), opening);
  };
  return {
    sql: main,
    begin: (work) => begin(work),
    scoped(scope) {
      const owners = ownersOf([scope]);
      const sql =
        owners === null
          ? statements.door()
          : callers.door({ name: owners, enter: (line) => enterScope(line, owners, false) });
      return Object.assign(sql, { scope });
    },
    beginScoped: (scope, work) => beginWalled([scope], (tx) => work(Object.assign(tx, { scope }))),
    beginWalled,
    dedicated: ({ name, ...of }) => {
      const own = open(name, of);
      return { sql: own.statements.sql, begin: (work) => own.begin(work) };
    },
    async listen(channel, onPayload, onReady) {
      await listening.listen(channel, onPayload, onReady);
    },
    async notify(channel, payloads) {
      await main`select pg_notify(${channel}, value)
        from jsonb_array_elements_text(${json(payloads)}::text::jsonb) as value`;
    },
    async ping(timeoutMs) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
      });
      try {
        await Promise.race([main`select 1`, late]);
      } finally {
        clearTimeout(timer);
      }
    },
    async close() {
      await Promise.all(closers.map((close) => close()));
    },
  };
}

/**
 * A value as a `jsonb` parameter. Goes over the wire as text, since a string handed to a `jsonb` parameter
 * would be encoded twice.
 */
export function json(value: unknown): string {
  return JSON.stringify(value);
}

/**
 * A list as an array parameter, to be cast: `any(${array(ids)}::text::uuid[])`. It goes as one literal, since
 * without the catalogue the driver does not know array types.
 */
export function array(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replace(/["\\]/g, "\\$&")}"`).join(",")}}`;
}

/** SQLSTATE of a failed statement, or an empty string when the failure is not the server's. */
export function sqlState(error: unknown): string {
  return error instanceof postgres.PostgresError ? error.code : "";
}

/** A LIKE pattern that finds `text` anywhere, with its own wildcards taken literally. */
export function likePattern(text: string): string {
  return `%${text.replace(/[\\%_]/g, "\\$&")}%`;
}
