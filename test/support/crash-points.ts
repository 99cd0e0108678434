import { setImmediate } from "node:timers/promises";
import {
  type Database,
  type DedicatedPool,
  isConnectionLoss,
  type ScopedTransaction,
  type Sql,
  type Transaction,
  type WalledTransaction,
} from "../../src/db/sql.ts";

type Begin<X extends Transaction> = <T>(work: (tx: X) => Promise<T>) => Promise<T>;

/** The moment at which a process dies, at one of the commits of what it does. */
export interface CrashPoint {
  /** Commits before it that go well. */
  readonly skip: number;
  /** Before anything of it is sent, inside of a transaction, or when it stands and nobody has been told. */
  readonly where: "before" | "inside" | "after";
  /** Statements that a crash inside lets through; beyond what the transaction has, just before its COMMIT. */
  readonly statements: number;
  /**
   * `error`: the statement fails as when the database went away; the process goes on and deals with that.
   * `death`: nothing of the process runs any more. `kill`: like `error`, and inside of a transaction the server
   * itself ends the connection.
   */
  readonly manner: "error" | "death" | "kill";
}

/** A commit that was said to fail; the driver marks lost connections the same way. */
class CrashError extends Error {
  override name = "CrashError";
  readonly code = "CONNECTION_CLOSED";
}

/** How something went that was done with a crash point set. */
export interface Outcome<T> {
  /** Where it died; null when it never came to the crash point. */
  readonly crashed: CrashPoint["where"] | null;
  /** Commits that stand, of transactions and of statements that write. */
  readonly committed: number;
  /** What the caller was told; null when nobody was left to tell, or that the database went away. */
  readonly answer: { readonly value: T | Error } | null;
}

export interface CrashingProcess {
  /** To be given to the services of this process. */
  readonly db: Database;
  /** Nothing of it runs any more; what comes next needs a new process. */
  readonly dead: boolean;
  /**
   * Runs `work`, which may die at the crash point, to the end of all that it has begun, also of what it does not
   * wait for. One at a time.
   */
  run<T>(point: CrashPoint | null, work: () => Promise<T>): Promise<Outcome<T>>;
}

/** A promise for whoever asked something of a process that is dead. */
const never = <T>(): Promise<T> => new Promise<T>(() => {});
/** A statement that only reads is no commit; some call functions of the schema that write. */
const WRITES = /\b(insert|update|delete|admit_parked|park_blocked)\b/i;
const KILL_MS = 10_000;

/**
 * Processes that can die at any commit. All share the connections of `db`, so that a new one costs nothing; what is
 * not a commit of the services (NOTIFY, LISTEN, ping) goes through unharmed.
 */
export function createCrashPoints(db: Database): { newProcess(): CrashingProcess } {
  const pools = new Map<string, DedicatedPool>();
  const dedicated: Database["dedicated"] = (options) => {
    const pool = pools.get(options.name) ?? db.dedicated(options);
    pools.set(options.name, pool);
    return pool;
  };
  return { newProcess: () => createProcess({ ...db, dedicated }) };
}

function createProcess(db: Database): CrashingProcess {
  let armed: { point: CrashPoint; passed: number; crashed: CrashPoint["where"] | null } | null = null;
  const pending = new Set<Promise<unknown>>();
  let committed = 0;
  let dead = false;
  let onDeath = Promise.withResolvers<void>();

  /** The crash point, if this commit is the one. */
  const pointOfNextCommit = (): CrashPoint | null => {
    if (!armed || armed.crashed) return null;
    return armed.passed++ === armed.point.skip ? armed.point : null;
  };

  const die = async <T>(point: CrashPoint, where = point.where): Promise<T> => {
    if (armed) armed.crashed = where;
    if (point.manner !== "death") throw new CrashError(`crash ${where} the commit`);
    dead = true;
    onDeath.resolve();
    return await never<T>();
  };

  const statement = async (send: () => Promise<unknown>, text: string): Promise<unknown> => {
    if (dead) return await never();
    if (!WRITES.test(text)) return await send();
    const point = pointOfNextCommit();
    // One statement is one commit, so that "inside" of it nothing can be done by halves.
    if (point && point.where !== "after") return await die(point, "before");
    const rows = await send();
    committed++;
    return point ? await die(point) : rows;
  };

  const begin =
    <X extends Transaction>(real: Begin<X>): Begin<X> =>
    async (work) => {
      if (dead) return await never();
      const point = pointOfNextCommit();
      if (point?.where === "before") return await die(point);
      const breaking = point?.where === "inside" ? createBreak(db, point) : null;
      let result: Awaited<ReturnType<typeof work>>;
      try {
        result = await real((tx) => (breaking ? breaking.run(tx, work) : work(tx)));
      } catch (error) {
        if (!breaking?.broken || !point) throw error;
        if (point.manner !== "kill") return await die(point);
        if (armed) armed.crashed = "inside";
        throw error;
      }
      committed++;
      return point ? await die(point) : result;
    };

  /** `work`, known as long as it goes on. */
  const followed = <T>(work: Promise<T>): Promise<T> => {
    const known = work.finally(() => pending.delete(known));
    pending.add(known);
    return known;
  };

  const watched = <S extends Sql>(sql: S): S =>
    intercepted(sql, (send, text) => followed(statement(send, text)));
  const faulty = ({ sql, begin: real }: DedicatedPool): DedicatedPool => {
    const guarded = begin<Transaction>(real);
    return { sql: watched(sql), begin: (work) => followed(guarded(work)) };
  };

  return {
    db: {
      ...db,
      ...faulty(db),
      scoped: (scope) => watched(db.scoped(scope)),
      beginScoped: (scope, work) =>
        followed(begin<ScopedTransaction>((inner) => db.beginScoped(scope, inner))(work)),
      beginWalled: (scopes, work) =>
        followed(begin<WalledTransaction>((inner) => db.beginWalled(scopes, inner))(work)),
      dedicated: (options) => faulty(db.dedicated(options)),
    },
    get dead() {
      return dead;
    },
    async run(point, work) {
      if (dead) throw new Error("a dead process was asked to do something");
      armed = point ? { point, passed: 0, crashed: null } : null;
      committed = 0;
      onDeath = Promise.withResolvers();
      const answered = work().catch((error: unknown) =>
        error instanceof Error ? error : new Error(String(error)),
      );
      const death = onDeath.promise.then(() => null);
      const value = await Promise.race([answered, death.then(() => new CrashError("died"))]);
      while (!dead && pending.size > 0) {
        await Promise.race([Promise.allSettled(pending), death]);
        // What follows on it begins in the same turn.
        await setImmediate();
      }
      const crashed = armed?.crashed ?? null;
      armed = null;
      return { crashed, committed, answer: dead || (crashed && isConnectionLoss(value)) ? null : { value } };
    },
  };
}

/** Breaks a transaction off after some of its statements, so that the server rolls it back. */
function createBreak(db: Database, { statements, manner }: CrashPoint) {
  const state = { broken: false };
  const end = Promise.withResolvers<never>();
  end.promise.catch(() => {});

  const breakOff = async (tx: Sql): Promise<never> => {
    state.broken = true;
    if (manner === "error") throw new CrashError("crash inside of a transaction");
    if (manner === "death") end.reject(new CrashError("died inside of a transaction"));
    else await killBackend(db, tx);
    return await never();
  };

  return {
    get broken() {
      return state.broken;
    },
    async run<T, X extends Transaction>(tx: X, work: (tx: X) => Promise<T>): Promise<T> {
      let done = 0;
      const counting = intercepted(tx, async (send) => {
        if (state.broken) return await never();
        if (done === statements) return await breakOff(tx);
        const rows = await send();
        done++;
        return rows;
      });
      const whole = async (): Promise<T> => {
        await work(counting);
        return await breakOff(tx);
      };
      return await Promise.race([whole(), end.promise]);
    },
  };
}

async function killBackend(db: Database, tx: Sql): Promise<void> {
  const [backend] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`;
  // Waits until it is gone: the locks of the transaction with it.
  const [killed] = await db.sql<{ gone: boolean }[]>`
    select pg_terminate_backend(${backend?.pid ?? 0}::int, ${KILL_MS}::bigint) as gone`;
  if (!killed?.gone) throw new Error("the connection of a transaction could not be ended");
}

/**
 * The same `sql`, whose statements go through `around` when they are sent. A statement that stands inside another
 * one is never sent by itself.
 */
function intercepted<S extends Sql>(
  sql: S,
  around: (send: () => Promise<unknown>, text: string) => Promise<unknown>,
): S {
  return new Proxy(sql, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (name !== "everybody") return member;
      const everybody = member as WalledTransaction["everybody"];
      return (reason: string, work: (tx: Transaction) => Promise<unknown>) =>
        everybody(reason, (all) => work(intercepted(all, around)));
    },
    apply(target, _self, [first, ...rest]: [unknown, ...unknown[]]) {
      const made = (target as unknown as (...args: unknown[]) => unknown)(first, ...rest);
      if (!Array.isArray(first) || !("raw" in first)) return made;
      const query = made as Promise<unknown>;
      const then = query.then.bind(query);
      let sent: Promise<unknown> | null = null;
      const send = (): Promise<unknown> => {
        sent ??= around(() => new Promise((resolve, reject) => then(resolve, reject)), first.join(" "));
        return sent;
      };
      return Object.defineProperties(query, {
        // biome-ignore lint/suspicious/noThenProperty: a statement of the driver is sent when it is awaited
        then: { value: (...on: Parameters<typeof query.then>) => send().then(...on) },
        catch: { value: (...on: Parameters<typeof query.catch>) => send().catch(...on) },
        finally: { value: (...on: Parameters<typeof query.finally>) => send().finally(...on) },
      });
    },
  });
}
