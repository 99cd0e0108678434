import postgres from "postgres";
import type { Connection } from "./socket.ts";

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
  /** The same as an object of its own, over connections in a certain state. */
  door(state?: State): postgres.ISql;
  close(): Promise<void>;
}

/**
 * A state of a connection. A statement that wants another than the last has `enter` sent ahead of it, with nothing between
 * them; it is not waited for. When it fails, so does all that was sent after it, whatever the server answers to that.
 */
export interface State {
  /** Two states with the same name are the same. */
  readonly name: string;
  readonly enter: (sql: postgres.ISql) => Promise<unknown>;
}

/** A driver of one connection. */
interface Line {
  readonly sql: postgres.Sql;
  readonly unanswered: Set<Statement>;
  readonly openedAt: number;
  /** The name of the state that it was put into last. */
  state: string | null;
  idle: NodeJS.Timeout | null;
  lost: boolean;
}

/** What of the driver's statement is used here. */
interface Statement extends Promise<unknown> {
  reject: (error: unknown) => void;
}

type Handler = (settled: unknown) => unknown;

/**
 * Single statements on up to `max` connections, several on their way on each. The driver may forget statements that come
 * while a connection ends, and what was written at that moment can keep its next connection from starting; here a lost
 * connection fails all its statements, and its driver is never used again. Connections that are old or idle are taken out
 * before they are ended, so that no statement meets their end.
 * @param connect makes a driver of one connection, which never ends it by itself
 */
export function createStatementPool(
  connect: (connection: Connection) => postgres.Sql,
  { max, idleMs, oldMs }: { max: number; idleMs: number; oldMs: number },
): StatementPool {
  const lines: Line[] = [];
  let closed = false;

  const newLine = (): Line => {
    const line: Line = {
      lost: false,
      unanswered: new Set(),
      openedAt: performance.now(),
      state: null,
      idle: null,
      sql: connect({ onLost: () => lose(line), isOver: () => line.lost }),
    };
    lines.push(line);
    return line;
  };

  const lose = (line: Line, cause: unknown = new StatementLostError()): void => {
    if (line.lost) return;
    line.lost = true;
    remove(line);
    for (const statement of line.unanswered) statement.reject(cause);
    line.unanswered.clear();
    line.sql.end({ timeout: 0 }).catch(() => {});
  };

  const remove = (line: Line): void => {
    if (line.idle) clearTimeout(line.idle);
    const at = lines.indexOf(line);
    // What comes after the end of all is refused by a driver that was ended.
    if (at >= 0 && !closed) lines.splice(at, 1);
  };

  /** Ends a connection in good order: nothing is sent over it any more, and what was sent is answered first. */
  const retire = (line: Line): void => {
    remove(line);
    if (line.unanswered.size > 0) return;
    line.lost = true;
    line.sql.end({ timeout: 5 }).catch(() => {});
  };

  const answered = (line: Line, statement: Statement): void => {
    line.unanswered.delete(statement);
    if (line.lost || line.unanswered.size > 0) return;
    if (!lines.includes(line)) retire(line);
    else if (!closed) {
      line.idle = setTimeout(() => retire(line), idleMs);
      line.idle.unref();
    }
  };

  const leastBusy = (): Line => {
    for (const line of lines.filter(({ openedAt }) => performance.now() - openedAt > oldMs)) retire(line);
    const best = lines.reduce<Line | null>(
      (least, line) => (least && least.unanswered.size <= line.unanswered.size ? least : line),
      null,
    );
    return best && (best.unanswered.size === 0 || lines.length >= max) ? best : newLine();
  };

  /** It is about to send something, and is not idle. */
  const used = (line: Line): Line => {
    line.idle?.refresh();
    return line;
  };

  const enter = (line: Line, { name, enter: change }: State): void => {
    if (line.state === name) return;
    line.state = name;
    const entering = change(line.sql);
    if (!isStatement(entering)) throw new TypeError("a state is entered by one statement of the same driver");
    const { reject } = entering;
    // The driver comes here before it comes to what the server has answered to the statements behind it.
    entering.reject = (error) => {
      lose(line, error);
      reject(error);
    };
    entering.catch(() => {});
  };

  /**
   * A statement that the driver cannot write, say for a parameter that is no date, fails the one that is on its way instead,
   * and takes the answer to the next one: from then on everybody would get what is another's.
   */
  const watch = (line: Line, statement: Statement): void => {
    const { reject } = statement;
    statement.reject = (error) => {
      if (!(error instanceof postgres.PostgresError) && line.unanswered.size > 1) lose(line);
      reject(error);
    };
  };

  /** Follows the statement from the moment it is waited for: until then it may be a fragment of another. */
  const follow = (line: Line, made: unknown, state: State | undefined): unknown => {
    if (!isStatement(made)) return made;
    const { then } = made;
    let followed = false;
    // biome-ignore lint/suspicious/noThenProperty: it is one already, and this is where the driver begins it too.
    made.then = ((...handlers: [Handler?, Handler?]) => {
      if (!followed) {
        followed = true;
        if (line.lost && !closed) made.reject(new StatementLostError());
        else {
          line.unanswered.add(made);
          watch(line, made);
          // The driver sends what is begun in one turn in that order.
          if (state) enter(line, state);
        }
        if (line.idle) clearTimeout(line.idle);
        const settled = () => answered(line, made);
        then.call(made, settled, settled);
      }
      return then.apply(made, handlers);
    }) as Statement["then"];
    return made;
  };

  const door = (state?: State): postgres.ISql => {
    const call = (...args: unknown[]): unknown => {
      const line = used(leastBusy());
      return follow(line, (line.sql as unknown as (...args: unknown[]) => unknown)(...args), state);
    };
    const unsafe = (...args: Parameters<postgres.Sql["unsafe"]>): unknown => {
      const line = used(leastBusy());
      return follow(line, line.sql.unsafe(...args), state);
    };
    return Object.assign(call, { unsafe }) as unknown as postgres.ISql;
  };
  return {
    sql: door(),
    door,
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
