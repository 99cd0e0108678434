import type postgres from "postgres";

/** The connection of a statement was lost: it may have been done, or not. */
export class StatementLostError extends Error {
  override name = "StatementLostError";
  /** As the driver marks lost connections. */
  readonly code = "CONNECTION_CLOSED";
  constructor() {
    super("The connection to the database was lost before a statement was answered.");
  }
}

export interface StatementPool {
  /** Sends each statement over the connection with the fewest on their way. */
  readonly sql: postgres.ISql;
  close(): Promise<void>;
}

/** A driver of one connection. */
interface Line {
  readonly sql: postgres.Sql;
  readonly unanswered: Set<Statement>;
  lost: boolean;
}

/** What of the driver's statement is used here. */
interface Statement extends Promise<unknown> {
  readonly reject: (error: unknown) => void;
}

type Handler = (settled: unknown) => unknown;

/**
 * Single statements on up to `max` connections, several on their way on each. The driver may forget statements that come
 * while a connection ends, and what was written at that moment can keep its next connection from starting; here a lost
 * connection fails all its statements, and its driver is never used again.
 * @param connect makes a driver of one connection that calls `onclose` when it is lost
 */
export function createStatementPool(
  connect: (onclose: () => void) => postgres.Sql,
  max: number,
): StatementPool {
  const lines: Line[] = [];
  let closed = false;

  const newLine = (): Line => {
    const line: Line = { lost: false, unanswered: new Set(), sql: connect(() => lose(line)) };
    lines.push(line);
    return line;
  };

  const lose = (line: Line): void => {
    if (line.lost) return;
    line.lost = true;
    // What comes after the end is refused by the driver that was ended.
    if (!closed) lines.splice(lines.indexOf(line), 1);
    for (const statement of line.unanswered) statement.reject(new StatementLostError());
    line.unanswered.clear();
    line.sql.end({ timeout: 0 }).catch(() => {});
  };

  const leastBusy = (): Line => {
    const best = lines.reduce<Line | null>(
      (least, line) => (least && least.unanswered.size <= line.unanswered.size ? least : line),
      null,
    );
    return best && (best.unanswered.size === 0 || lines.length >= max) ? best : newLine();
  };

  /** Follows the statement from the moment it is waited for: until then it may be a fragment of another. */
  const follow = (line: Line, made: unknown): unknown => {
    if (!isStatement(made)) return made;
    const { then } = made;
    let followed = false;
    // biome-ignore lint/suspicious/noThenProperty: it is one already, and this is where the driver begins it too.
    made.then = ((...handlers: [Handler?, Handler?]) => {
      if (!followed) {
        followed = true;
        if (line.lost && !closed) made.reject(new StatementLostError());
        else line.unanswered.add(made);
        const settled = () => line.unanswered.delete(made);
        then.call(made, settled, settled);
      }
      return then.apply(made, handlers);
    }) as Statement["then"];
    return made;
  };

  const call = (...args: unknown[]): unknown => {
    const line = leastBusy();
    return follow(line, (line.sql as unknown as (...args: unknown[]) => unknown)(...args));
  };
  const unsafe = (...args: Parameters<postgres.Sql["unsafe"]>): unknown => {
    const line = leastBusy();
    return follow(line, line.sql.unsafe(...args));
  };
  return {
    sql: Object.assign(call, { unsafe }) as unknown as postgres.ISql,
    async close() {
      if (lines.length === 0) newLine();
      closed = true;
      await Promise.all(lines.map(({ sql }) => sql.end({ timeout: 5 })));
    },
  };
}

function isStatement(made: unknown): made is Statement {
  return made instanceof Promise && "reject" in made;
}
