import { type DestinationStream, pino, stdTimeFunctions } from "pino";

/** What the parts of the service log with: one JSON line a call, never with a secret. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(bindings: Record<string, unknown>): Logger;
}

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/** Field names whose values are never written, wherever they stand. */
const SECRET_FIELDS = [
  "password",
  "secret",
  "token",
  "accessToken",
  "refreshToken",
  "apiKey",
  "authorization",
];

/** Lines that wait for whoever reads them; beyond it lines are lost. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;

/**
 * A logger that writes JSON lines to `destination`, standard error by default. There, a reader that is slow keeps nothing
 * else waiting: up to 4 MiB of lines are kept for it, then lines are lost, and it is told how many. What is kept is written
 * before the process exits.
 */
export function createLogger(level: LogLevel, destination?: DestinationStream): Logger {
  if (destination) return jsonLines(level, destination);
  const standardError = pino.destination({ fd: 2, sync: false, maxLength: MAX_WAITING_BYTES });
  const logger = jsonLines(level, standardError);
  let lost = 0;
  standardError.on("drop", () => lost++);
  standardError.on("drain", () => {
    if (lost === 0) return;
    logger.warn({ lines: lost }, "log lines were lost: whoever reads them is too slow");
    lost = 0;
  });
  return logger;
}

function jsonLines(level: LogLevel, destination: DestinationStream): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]), censor: "[redacted]" },
    },
    destination,
  );
}
