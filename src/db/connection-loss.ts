import postgres from "postgres";

/**
 * Server is shutting down, was killed, is starting; too many connections; disk full; it became a standby; the classes of
 * connection exceptions.
 */
const SERVER_SAYS = /^(08|57P0|53300|53100|25006)/;
/** Names that the driver, and our transactions after it, give to lost connections; nothing else uses them. */
const DRIVER_SAYS = /^(CONNECTION_(CLOSED|DESTROYED|ENDED)|CONNECT_TIMEOUT)$/;
/** What the system says of any connection or path, whoever it belongs to. */
const SYSTEM_SAYS =
  /^(ECONN(REFUSED|RESET|ABORTED)|EPIPE|ENOENT|ETIMEDOUT|E(HOST|NET)(UNREACH|DOWN)|ENOTFOUND|EAI_AGAIN)$/;

/**
 * True when the database could not be reached or went away: the statement may be tried again later. A lost connection to
 * anything else is none, though the system gives it the same code: what the driver throws is known by the statement
 * that it notes on each error.
 */
export function isConnectionLoss(error: unknown): boolean {
  if (error instanceof postgres.PostgresError) return SERVER_SAYS.test(error.code);
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  if (typeof code !== "string") return false;
  return DRIVER_SAYS.test(code) || (SYSTEM_SAYS.test(code) && isOfStatement(error));
}

function isOfStatement(error: Error): boolean {
  return "query" in error && "parameters" in error;
}
