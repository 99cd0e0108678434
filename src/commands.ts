import { type Running, type RunningServer, runMigrations, startServer, startWorkerProcess } from "./app.ts";
import { type Config, loadConfig } from "./config.ts";
import { createLogger } from "./telemetry/logger.ts";

/** What the commands that run the service itself do; each answers the exit code. */
export interface ServerCommands {
  serve(options: { worker: boolean; embedded: boolean; migrate: boolean }): Promise<number>;
  worker(): Promise<number>;
  migrate(options: { embedded: boolean }): Promise<number>;
}

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

export const serverCommands: ServerCommands = {
  async serve(options) {
    const config = loadConfig();
    const logger = createLogger(config.logLevel);
    return await runUntilStopped(async () => {
      const server = await startServer({ config, logger, ...options });
      say(banner(config, server, process.uptime()));
      return server;
    });
  },

  async worker() {
    const config = loadConfig();
    const logger = createLogger(config.logLevel);
    return await runUntilStopped(async () => {
      const worker = await startWorkerProcess({ config, logger, migrate: false, embedded: false });
      say(`Sluice worker runs ${config.workerConcurrency} jobs at once. Ctrl-C stops it.`);
      return worker;
    });
  },

  async migrate({ embedded }) {
    const config = loadConfig();
    const logger = createLogger(config.logLevel);
    const ran = await runMigrations({ config, logger, migrate: true, embedded });
    say(ran.length > 0 ? `Migrated: ${ran.join(", ")}` : "The schema is up to date.");
    return 0;
  },
};

/**
 * Runs until a signal or a failure ends it. The first SIGINT or SIGTERM stops in good order, a second one ends
 * at once.
 */
async function runUntilStopped(start: () => Promise<Running>): Promise<number> {
  let signals = 0;
  let onSignal = (): void => {};
  const signalled = new Promise<void>((resolve) => {
    onSignal = () => {
      if (++signals > 1) process.exit(130);
      resolve();
    };
  });
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  const running = await start();
  const failure = await Promise.race([signalled.then(() => null), running.failed]);
  if (failure) process.stderr.write(`sluice: ${failure}\n`);
  else say("Stopping: running work is finished or handed back. Ctrl-C again ends at once.");
  await running.stop();
  return failure ? 1 : 0;
}

function banner(config: Config, server: RunningServer, seconds: number): string {
  const lines = [
    `Sluice is ready at ${server.url} after ${seconds.toFixed(1)} s.`,
    server.embedded ? `  Database   PostgreSQL in ${config.dataDir}` : "  Database   as DATABASE_URL says",
  ];
  if (config.auth === "none") lines.push("  Sign-in    none: whoever reaches this address may do everything");
  else lines.push(...server.auth.signInLines());
  lines.push("", "Next, in a second terminal:", "  npx sluice submit README.md --follow");
  return lines.join("\n");
}
