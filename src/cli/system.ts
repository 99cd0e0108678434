import { toJson } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import {
  JobPrioritySchema,
  type QueueStats,
  QueueStatsSchema,
  ServerInfoSchema,
  type Sluice,
  type Worker,
  WorkerSchema,
} from "@sluice/sdk";
import type { Command } from "commander";
import { withSluice } from "./connect.ts";
import { type CliContext, CliError } from "./context.ts";
import { timeOf } from "./job-text.ts";
import { jsonOption } from "./options.ts";
import { writeJson } from "./output.ts";
import { allOf } from "./pages.ts";
import { bytes, clean, counted, duration, table } from "./text.ts";

type Run = (action: () => Promise<number>) => Promise<void>;
interface Json {
  readonly json?: boolean;
}

export function registerSystem(program: Command, context: CliContext, run: Run): void {
  const act = (action: (sluice: Sluice, url: string) => Promise<number>) =>
    run(() => withSluice(context, (sluice, { url }) => action(sluice, url)));
  program
    .command("system")
    .description("show the server")
    .command("info")
    .description("show version, features and limits of the server")
    .addOption(jsonOption())
    .action(({ json }: Json) => act((sluice, url) => info(sluice, context, url, json)));
  const queue = program.command("queue").description("show the queue, hold it and let it go on");
  queue
    .command("pause")
    .description("begin no more jobs; those that run go on, and new ones are taken")
    .option("--reason <text>", "why, for people", "")
    .action(({ reason }: { reason: string }) =>
      act(async (sluice) => {
        const { stats } = await sluice.system.pauseQueue({ reason });
        return showQueue(stats, context);
      }),
    );
  queue
    .command("resume")
    .description("let a paused queue go on")
    .action(() =>
      act(async (sluice) => {
        const { stats } = await sluice.system.resumeQueue({});
        return showQueue(stats, context);
      }),
    );
  queue
    .command("stats")
    .description("show how many jobs wait and run, and how fast they are worked off")
    .addOption(jsonOption())
    .action(({ json }: Json) => act((sluice) => queueStats(sluice, context, json)));
  program
    .command("workers")
    .description("show the workers")
    .command("list")
    .description("list the workers of the last hour")
    .addOption(jsonOption())
    .action(({ json }: Json) => act((sluice) => listWorkers(sluice, context, json)));
}

async function info(
  sluice: Sluice,
  { io: { stdout } }: CliContext,
  url: string,
  json?: boolean,
): Promise<number> {
  const { info: server } = await sluice.system.getServerInfo({});
  if (!server) throw new CliError("The answer is empty.");
  if (json) {
    await writeJson(stdout, toJson(ServerInfoSchema, server));
    return 0;
  }
  const { limits } = server;
  const lines: [string, string | undefined][] = [
    ["Server", url],
    ["Version", server.version],
    ["Features", server.features.join(", ") || "none"],
    ["Started", timeOf(server.startTime)],
    ["Largest document", limits && bytes(Number(limits.maxDocumentBytes))],
    ["Largest message", limits && bytes(Number(limits.maxMessageBytes))],
    ["Longest attempt", limits?.maxJobTimeout && duration(durationMs(limits.maxJobTimeout))],
  ];
  for (const [name, value] of lines) if (value) stdout.write(`${name.padEnd(18)}${clean(value)}\n`);
  return 0;
}

async function queueStats(sluice: Sluice, context: CliContext, json?: boolean): Promise<number> {
  const { stats } = await sluice.system.getQueueStats({});
  return await showQueue(stats, context, json);
}

async function showQueue(
  stats: QueueStats | undefined,
  { io: { stdout } }: CliContext,
  json?: boolean,
): Promise<number> {
  if (!stats) throw new CliError("The answer is empty.");
  if (json) {
    await writeJson(stdout, toJson(QueueStatsSchema, stats));
    return 0;
  }
  const paused = stats.isPaused ? `, paused${stats.pauseReason ? ` (${clean(stats.pauseReason)})` : ""}` : "";
  stdout.write(`Queue in ${clean(stats.backend)}, ${counted(stats.workers, "worker")}${paused}\n\n`);
  const rows = stats.priorities.map((row) => [
    JobPrioritySchema.value[row.priority]?.localName ?? "",
    String(row.waiting),
    String(row.delayed),
    String(row.leased),
    row.oldestAge ? duration(durationMs(row.oldestAge)) : "",
  ]);
  stdout.write(table(["PRIORITY", "WAITING", "DELAYED", "RUNNING", "OLDEST"], rows));
  if (stats.rates.length > 0) {
    const rates = stats.rates.map((rate) => [
      rate.window ? duration(durationMs(rate.window)) : "",
      String(rate.completed),
      String(rate.failed),
      String(rate.cancelled),
      rate.jobsPerSecond.toFixed(2),
    ]);
    stdout.write(`\n${table(["LAST", "COMPLETED", "FAILED", "CANCELLED", "PER SECOND"], rates)}`);
  }
  return 0;
}

async function listWorkers(
  sluice: Sluice,
  { io: { stdout, stderr } }: CliContext,
  json?: boolean,
): Promise<number> {
  const workers = await allOf<Worker>(async (page) => {
    const { workers: found, nextPageToken } = await sluice.system.listWorkers(page);
    return { found, nextPageToken };
  });
  if (json) {
    for (const worker of workers) await writeJson(stdout, toJson(WorkerSchema, worker));
    return 0;
  }
  if (workers.length === 0) {
    stderr.write("No worker has been there in the last hour.\n");
    return 0;
  }
  const rows = workers.map((worker) => [
    worker.id,
    worker.host,
    worker.version,
    worker.isAlive ? (worker.isDraining ? "draining" : "alive") : "lost",
    `${worker.runningJobs} of ${worker.concurrency}`,
    timeOf(worker.lastHeartbeatTime),
    clockText(worker),
  ]);
  stdout.write(table(["ID", "HOST", "VERSION", "STATE", "RUNNING", "LAST HEARTBEAT", "CLOCK"], rows));
  return 0;
}

/** How far a worker's clock is off; nothing when that is no more than it takes to ask. */
function clockText({ clockOffset }: Worker): string {
  const ms = clockOffset ? durationMs(clockOffset) : 0;
  return Math.abs(ms) < 1_000 ? "" : `${duration(Math.abs(ms))} ${ms > 0 ? "ahead" : "behind"}`;
}
