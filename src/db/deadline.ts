import type postgres from "postgres";

/** A statement was not answered in time, and nothing is known of it: it may have been done. */
export class StatementLostError extends Error {
  override name = "StatementLostError";
  /** As the driver marks lost connections. */
  readonly code = "CONNECTION_LOST";
  constructor(ms: number) {
    super(`The database did not answer a statement within ${ms} ms.`);
  }
}

type Handler = (settled: unknown) => unknown;

/** What of the driver's statement is used here. */
interface Statement extends Promise<unknown> {
  readonly reject: (error: unknown) => void;
}

/**
 * The driver's statements, none of which waits for ever: one that is neither answered nor refused `ms` after it was
 * begun fails as a lost connection. The driver can forget a statement whose connection ends under it.
 * @param ms above the longest time that a statement may take with all its waiting for a connection
 */
export function withDeadline(sql: postgres.Sql, ms: number): postgres.Sql {
  const bound = (made: unknown): unknown => {
    if (!isStatement(made)) return made;
    const { then } = made;
    let begun = false;
    // Fragments are statements too; only what is waited for is sent.
    const begin = (...handlers: [Handler?, Handler?]) => {
      if (!begun) {
        begun = true;
        const timer = setTimeout(() => made.reject(new StatementLostError(ms)), ms);
        timer.unref();
        const settled = () => clearTimeout(timer);
        then.call(made, settled, settled);
      }
      return then.apply(made, handlers);
    };
    return Object.assign(made, { ["then"]: begin });
  };
  return new Proxy(sql, {
    apply: (target, self, args) => bound(Reflect.apply(target, self, args)),
    get(target, name) {
      const value = Reflect.get(target, name);
      return name === "unsafe" ? (...args: unknown[]) => bound(Reflect.apply(value, target, args)) : value;
    },
  });
}

function isStatement(made: unknown): made is Statement {
  return made instanceof Promise && "reject" in made;
}
