import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Sql } from "./sql.ts";

/** A clock that is off by more is told to the operator. */
const TOLERATED_MS = 5_000;
/** An answer that took longer says too little about when it was given. */
const LONGEST_TRIP_MS = 2_000;

/** The time of the database, by which jobs run, also on a machine whose own clock is wrong. */
export interface DatabaseClock extends Clock {
  /** How far this machine's clock is ahead of the database's; null before the first comparison. */
  offsetMs(): number | null;
  /** To be called when a statement goes out that answers the database's time; then call what it returns with that. */
  ask(): (databaseTime: Date) => void;
  /** Compares the clocks by a statement of its own. */
  look(sql: Sql): Promise<void>;
}

/** Before the first comparison it goes by this machine's clock. */
export function createDatabaseClock({ system, logger }: { system: Clock; logger: Logger }): DatabaseClock {
  let offset: number | null = null;
  let isTold = false;

  const tell = (ms: number): void => {
    const isOff = Math.abs(ms) > TOLERATED_MS;
    if (isOff === isTold) return;
    isTold = isOff;
    const clockOffsetSeconds = Math.round(ms / 1000);
    if (isOff) {
      logger.warn(
        { clockOffsetSeconds },
        `the clock of this machine is ${Math.abs(clockOffsetSeconds)} s ${ms > 0 ? "ahead of" : "behind"} the database's: jobs go by the database's, but set this one right, as with NTP, since logs and certificates go by it`,
      );
    } else logger.info({ clockOffsetSeconds }, "the clock of this machine agrees with the database's again");
  };

  const ask = () => {
    const sentAt = system.now();
    return (databaseTime: Date): void => {
      const receivedAt = system.now();
      const trip = receivedAt - sentAt;
      // Also when the clock was set while the answer was on its way.
      if (trip < 0 || trip > LONGEST_TRIP_MS) return;
      offset = (sentAt + receivedAt) / 2 - databaseTime.getTime();
      tell(offset);
    };
  };

  return {
    now: () => Math.round(system.now() - (offset ?? 0)),
    offsetMs: () => (offset === null ? null : Math.round(offset)),
    ask,
    async look(sql) {
      const answer = ask();
      answer(await databaseTime(sql));
    },
  };
}

/** The time of the database, to the millisecond below. */
export async function databaseTime(sql: Sql): Promise<Date> {
  const [row] = await sql<[{ time: Date }]>`select date_trunc('milliseconds', clock_timestamp()) as time`;
  return row.time;
}
