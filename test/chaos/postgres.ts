import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../src/db/embedded.ts";
import { freePort } from "../support/ports.ts";

/** The Postgres of one run: it can be ended, and comes back with its data at the same address. */
export interface ChaosPostgres extends AsyncDisposable {
  readonly url: string;
  /** Ends it in good order (`pg_ctl stop -m fast`) or by `kill -9`, and starts it again after `awayMs`. */
  restart(how: "fast" | "kill", awayMs: number): Promise<void>;
  /** Ends every connection of the fleet. Answers how many there were. */
  killBackends(): Promise<number>;
  /** Asks it something from outside the fleet, again and again while it is away. @throws after a minute */
  ask<T>(question: (sql: postgres.Sql) => Promise<T>): Promise<T>;
}

const ASK_MS = 60_000;
const AGAIN_MS = 100;

export async function startChaosPostgres(): Promise<ChaosPostgres> {
  const dataDir = await mkdtemp(join(tmpdir(), "sluice-chaos-pg-"));
  const port = await freePort();
  const start = (): Promise<EmbeddedPostgres> => startEmbeddedPostgres({ dataDir, port });
  let server = await start();
  const { url } = server;
  const sql = postgres(url, {
    max: 4,
    fetch_types: false,
    connect_timeout: 5,
    // Tries again at once when it is back: the driver's own pauses grow to 20 s, and would stand in every figure.
    backoff: () => AGAIN_MS / 1_000,
    onnotice: () => {},
    connection: { application_name: "chaos", statement_timeout: 30_000 },
  });

  const ask: ChaosPostgres["ask"] = async (question) => {
    const endsAt = performance.now() + ASK_MS;
    for (;;) {
      try {
        return await question(sql);
      } catch (error) {
        const refused = error instanceof postgres.PostgresError && !/^(08|57P)/.test(error.code);
        if (refused || performance.now() > endsAt) throw error;
        await sleep(AGAIN_MS);
      }
    }
  };

  return {
    url,
    ask,
    async restart(how, awayMs) {
      if (how === "kill") {
        process.kill(server.pid, "SIGKILL");
        await server.exited;
      }
      await server.stop();
      await sleep(awayMs);
      server = await start();
    },
    async killBackends() {
      const [row] = await ask(
        (sql) => sql<[{ ended: number }]>`select count(pg_terminate_backend(pid))::int as ended
          from pg_stat_activity where application_name like 'sluice%'`,
      );
      return row.ended;
    },
    async [Symbol.asyncDispose]() {
      await sql.end({ timeout: 1 });
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
