import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { RunningServer } from "./app/server.ts";
import type { Running } from "./app/start.ts";
import { fileVerdictJson, fileVerdictText } from "./audit/file-verdict.ts";
import type { AdminVerbs } from "./auth/admin.ts";
import type { KeyRotation } from "./auth/key-rotation.ts";
import { keysJson, keysText } from "./cli/key-text.ts";
import type { ServerCommands } from "./cli/server-commands.ts";
import { type Config, effectiveSettings, loadConfig } from "./config.ts";
import { type FoundDatabase, findDatabase } from "./database.ts";
import { jsonOf, summaryOf, textOf } from "./doctor/report.ts";
import { assertCanListen } from "./rpc/listener.ts";
import { readServerFile } from "./server-file.ts";
import { createLogger, type Logger } from "./telemetry/logger.ts";

/** Signals that come so close after one another are one wish to stop. */
const SAME_SIGNAL_MS = 500;

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

function settings(): { config: Config; logger: Logger } {
  const config = loadConfig();
  const suited = process.stderr.isTTY ? "warn" : "info";
  const logger = createLogger(config.logLevel === "auto" ? suited : config.logLevel);
  for (const warning of config.warnings) logger.warn({}, warning);
  return { config, logger };
}

/** Begins to find or start the database, while the rest of the service is loaded. */
function begin(options: Parameters<typeof findDatabase>[0]): Promise<FoundDatabase> {
  const database = findDatabase(options);
  // Whoever waits for it gets the error; it may come before anybody does.
  database.catch(() => {});
  return database;
}

/** What a command runs of the service is loaded by that command only, so that the others start at once. */
export const serverCommands: ServerCommands = {
  async serve(options) {
    const { config, logger } = settings();
    return await runUntilStopped(async () => {
      await assertCanListen(config.host, config.port);
      const database = begin({ config, logger, embedded: options.embedded });
      const { startServer } = await import("./app/server.ts");
      const server = await startServer({ config, logger, database, ...options });
      say(banner(config, server, process.uptime()));
      return server;
    });
  },

  async worker({ stages }) {
    const { config, logger } = settings();
    return await runUntilStopped(async () => {
      const database = begin({ config, logger, embedded: false });
      const { startWorkerProcess } = await import("./app/worker.ts");
      const worker = await startWorkerProcess({ config, logger, migrate: false, database, stages });
      say(
        `Sluice worker runs ${config.workerConcurrency === 1 ? "one job at a time" : `${config.workerConcurrency} jobs at once`}. Ctrl-C stops it.`,
      );
      return worker;
    });
  },

  async migrate() {
    const { config, logger } = settings();
    const database = begin({ config, logger, embedded: await noServerRuns(config) });
    const { runMigrations } = await import("./app/admin.ts");
    const ran = await runMigrations({ config, logger, migrate: true, database });
    say(ran.length > 0 ? `Migrated: ${ran.join(", ")}` : "The schema is up to date.");
    return 0;
  },

  async config() {
    const { warnings } = loadConfig();
    for (const { name, value, origin } of effectiveSettings()) say(`${name}=${value}  # ${origin}`);
    for (const warning of warnings) process.stderr.write(`${warning}\n`);
    return 0;
  },

  async doctor({ json, ...options }) {
    const begun = performance.now();
    const { config, logger } = settings();
    const database = begin({ config, logger, embedded: await noServerRuns(config), create: false });
    const { runDoctor } = await import("./app/doctor.ts");
    const outcome = await runDoctor({ config, logger, migrate: false, database }, options, (report) =>
      say(json ? jsonOf(report) : textOf(report)),
    );
    if (!json) say(summaryOf(outcome, (performance.now() - begun) / 1000));
    return outcome.faults > 0 ? 1 : 0;
  },

  async verifyAuditFile({ file, keyFile, json }) {
    const { verifyFile } = await import("./audit/verify-file.ts");
    const verdict = await verifyFile(file, keyFile);
    if (json) say(fileVerdictJson(verdict));
    else say(fileVerdictText(verdict));
    return verdict.broken ? 1 : 0;
  },

  async createUser({ email, name, roles, service }) {
    const { user, generatedPassword } = await onDatabase((admin) =>
      admin.createUser({ email, roles, isServiceAccount: service, ...(name ? { displayName: name } : {}) }),
    );
    say(`Created ${user.email} with the roles ${user.roles.join(", ") || "(none)"}.`);
    if (generatedPassword)
      say(`Password, shown once, to be changed at the first login: ${generatedPassword}`);
    return 0;
  },

  async resetPassword({ email }) {
    const { generatedPassword } = await onDatabase((admin) => admin.resetPassword({ email }));
    say(`All sessions of ${email} have ended. New password, shown once: ${generatedPassword}`);
    return 0;
  },

  async rotateKeys({ compromised }) {
    const by = "keys";
    const { active, retired } = await onKeys((keys) => (compromised ? keys.condemn(by) : keys.rotate(by)));
    say(`Access tokens are signed with ${active} from now on; every server does so within 5 s.`);
    say(
      compromised
        ? "All keys of before are condemned: what they have signed is refused, and clients refresh their tokens."
        : `${retired} is retired: what it has signed stays good for its 10 minutes.`,
    );
    return 0;
  },

  async listKeys({ json }) {
    const all = await onKeys((keys) => keys.list());
    say(json ? keysJson(all) : keysText(all));
    return 0;
  },
};

/** True when the embedded database of the data folder is free to be started by this command. */
async function noServerRuns(config: Config): Promise<boolean> {
  return (await readServerFile(config.dataDir)) === null;
}

async function onDatabase<T>(act: (admin: AdminVerbs) => Promise<T>): Promise<T> {
  const options = await beginMaintenance();
  const { runAdmin } = await import("./app/admin.ts");
  return await runAdmin(options, act);
}

async function onKeys<T>(act: (keys: KeyRotation) => Promise<T>): Promise<T> {
  const options = await beginMaintenance();
  const { runKeys } = await import("./app/admin.ts");
  return await runKeys(options, act);
}

async function beginMaintenance() {
  const { config, logger } = settings();
  const database = begin({ config, logger, embedded: await noServerRuns(config), create: false });
  return { config, logger, migrate: false, database };
}

/**
 * Runs until a signal or a failure ends it, or until its launcher is gone. The first SIGINT or SIGTERM stops in
 * good order, a second one ends at once.
 */
async function runUntilStopped(start: () => Promise<Running>): Promise<number> {
  let firstAt: number | null = null;
  let onSignal = (): void => {};
  const signalled = new Promise<void>((resolve) => {
    onSignal = () => {
      // A terminal sends Ctrl-C to launcher and server, and npm and the launcher pass on what they get.
      if (firstAt !== null && performance.now() - firstAt > SAME_SIGNAL_MS) process.exit(130);
      firstAt ??= performance.now();
      resolve();
    };
  });
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  process.on("disconnect", onSignal);
  process.channel?.unref();
  const running = await start();
  const failure = await Promise.race([signalled.then(() => null), running.failed]);
  if (failure) process.stderr.write(`sluice: ${failure}\n`);
  else say("Stopping: running work is finished or handed back. Ctrl-C again ends at once.");
  await running.stop();
  return failure ? 1 : 0;
}

function banner(config: Config, server: RunningServer, seconds: number): string {
  const place = (name: string): string => join(config.dataDir, name);
  const lines = [
    `Sluice is ready at ${server.url} after ${seconds.toFixed(1)} s.`,
    server.embedded ? `  Database   PostgreSQL in ${config.dataDir}` : "  Database   as DATABASE_URL says",
  ];
  if (!server.worker) lines.push("  Worker     none in this process; jobs wait for a `npx sluice worker`");
  const { email, passwordPath } = server.auth.bootstrap;
  if (config.auth === "none") lines.push("  Sign-in    none: whoever reaches this address may do everything");
  else if (passwordPath) lines.push(`  Sign-in    ${email}, password in ${passwordPath}`);
  else if (email && existsSync(place("admin-password"))) {
    lines.push(`  Sign-in    ${email}, first password in ${place("admin-password")}`);
  } else if (email) lines.push(`  Sign-in    ${email}`);
  else
    lines.push(
      "  Sign-in    nobody can administer it yet: `npx sluice admin create-user EMAIL --role admin`",
    );
  if (config.auth !== "none" && email) lines.push(`  API key    ${place("local-api-key")}, for this machine`);
  // The command line finds the server by this folder.
  const folder =
    config.dataDir === resolve(".sluice")
      ? ""
      : `SLUICE_DATA_DIR='${config.dataDir.replaceAll("'", "'\\''")}' `;
  lines.push("", "Next, in a second terminal:", `  ${folder}npx sluice submit README.md --follow`);
  return lines.join("\n");
}
