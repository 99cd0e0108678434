import type { Sql } from "../db/sql.ts";
import type { Check, Finding } from "./model.ts";
import type { Sweeper } from "./sweeper.ts";
import { agree, counted, span } from "./words.ts";
import { listWorkerRows, readProcesses, type WorkerRow } from "./workers-queries.ts";

/** As everywhere in the service: a worker that has not been heard of for so long counts as lost, in seconds. */
const ALIVE_SECONDS = 30;
const FORGOTTEN_SECONDS = 3_600;
const MAX_WORKERS = 1_000;
const MAX_CLOCK_OFFSET_MS = 5_000;

export const isAlive = ({ silent }: WorkerRow): boolean => silent < ALIVE_SECONDS;

export interface WorkersDeps {
  readonly sql: Sql;
  readonly sweeper: Sweeper;
  /** Of this program. */
  readonly version: string;
  readonly program: string;
  readonly repairHint: string;
}

/** Is somebody there to run jobs, and are they of one kind? */
export function workersCheck({ sql, sweeper, version, program, repairHint }: WorkersDeps): Check {
  return {
    name: "workers",
    needs: ["schema"],
    async run() {
      const { connections } = await readProcesses(sql);
      const workers = await listWorkerRows(sql, MAX_WORKERS);
      const runs = connections > 0;
      // A heartbeat of a moment ago says nothing once its connection is gone.
      const alive = runs ? workers.filter(isAlive) : [];
      const forgotten = workers.filter(({ silent }) => silent > FORGOTTEN_SECONDS);
      const lost = workers.filter((worker) => !alive.includes(worker) && !forgotten.includes(worker));
      const findings: Finding[] = [
        ...(runs ? nobodyFindings(alive, program) : [nothingRuns(program)]),
        ...lostFindings(lost, runs),
        ...(forgotten.length > 0 ? [forgottenFinding(forgotten, runs, repairHint)] : []),
        ...versionFindings(alive, version),
        ...clockFindings(alive),
      ];
      if (findings.some(({ level }) => level !== "info")) return findings;
      const places = alive.reduce((sum, { concurrency }) => sum + concurrency, 0);
      const running = alive.reduce((sum, worker) => sum + worker.running, 0);
      const message = `${counted(alive.length, "worker")} alive, ${running} of ${counted(places, "place")} taken`;
      return [{ level: "ok", code: "OK", message }, ...findings];
    },

    /** The sweep forgets workers too. */
    async repair() {
      const before = await listWorkerRows(sql, MAX_WORKERS);
      const mends = await sweeper.sweep();
      const after = new Set((await listWorkerRows(sql, MAX_WORKERS)).map(({ id }) => id));
      const ids = before
        .filter(({ id, silent }) => silent > FORGOTTEN_SECONDS && !after.has(id))
        .map(({ id }) => id);
      if (ids.length === 0) return mends;
      const message = `${counted(ids.length, "worker")} of long ago forgotten`;
      return [...mends, { code: "WORKERS_FORGOTTEN", message, count: ids.length, ids }];
    },
  };
}

function nothingRuns(program: string): Finding {
  return {
    level: "warn",
    code: "NOTHING_RUNS",
    message: "no server and no worker is connected to the database",
    advice: `Jobs are taken and run again when \`${program} serve\` is started.`,
  };
}

function nobodyFindings(alive: readonly WorkerRow[], program: string): Finding[] {
  if (alive.some(({ draining }) => !draining)) return [];
  const message =
    alive.length > 0 ? "all workers are stopping, so no job begins" : "no worker is alive, so no job begins";
  const advice = `Start \`${program} worker\`, or \`${program} serve\` without --no-worker.`;
  return [{ level: "warn", code: "NO_WORKER", message, advice }];
}

function lostFindings(lost: readonly WorkerRow[], runs: boolean): Finding[] {
  const [last] = lost;
  if (!last) return [];
  return [
    {
      // Where nothing runs, that is all there is to say.
      level: runs ? "warn" : "info",
      code: "WORKERS_LOST",
      message: `${counted(lost.length, "worker")} ${agree(lost.length, "has", "have")} gone without signing off, the last one ${span(last.silent)} ago`,
      advice:
        "They were killed, or cannot reach the database; their jobs are taken back when the leases end. Their logs tell more. Within an hour they are forgotten.",
      count: lost.length,
      ids: lost.map(({ id }) => id),
    },
  ];
}

function forgottenFinding(forgotten: readonly WorkerRow[], runs: boolean, repairHint: string): Finding {
  return {
    level: runs ? "warn" : "info",
    code: "WORKERS_FORGOTTEN",
    message: `${counted(forgotten.length, "worker")} ${agree(forgotten.length, "has", "have")} not been heard of for over an hour and ${agree(forgotten.length, "is", "are")} still in the table`,
    advice: runs ? `The sweep should have removed them. ${repairHint}` : repairHint,
    count: forgotten.length,
    ids: forgotten.map(({ id }) => id),
    mendable: true,
  };
}

function clockFindings(alive: readonly WorkerRow[]): Finding[] {
  const off = alive.filter(({ clockOffsetMs }) => Math.abs(clockOffsetMs ?? 0) > MAX_CLOCK_OFFSET_MS);
  if (off.length === 0) return [];
  const most = Math.max(...off.map(({ clockOffsetMs }) => Math.abs(clockOffsetMs ?? 0)));
  return [
    {
      level: "warn",
      code: "WORKER_CLOCKS_OFF",
      message: `the ${agree(off.length, "clock", "clocks")} of ${counted(off.length, "worker")} ${agree(off.length, "is", "are")} up to ${span(most / 1_000)} from the database's`,
      advice:
        "Jobs go by the database's clock; the logs of these workers tell another time. Let their machines keep time with NTP.",
      count: off.length,
      ids: off.map(({ id }) => id),
    },
  ];
}

function versionFindings(alive: readonly WorkerRow[], own: string): Finding[] {
  const versions = new Map<string, number>();
  for (const { version } of alive) versions.set(version, (versions.get(version) ?? 0) + 1);
  const told = [...versions].map(([version, count]) => `${version} (${counted(count, "worker")})`).join(", ");
  if (versions.size > 1) {
    const advice = "During an upgrade that is as it should be; afterwards restart the older ones.";
    return [
      {
        level: "warn",
        code: "VERSIONS_MIXED",
        message: `workers of more than one version run: ${told}`,
        advice,
      },
    ];
  }
  const [version] = versions.keys();
  if (version === undefined || version === own) return [];
  return [
    { level: "info", code: "VERSION_OTHER", message: `the workers are of ${told}, this program is ${own}` },
  ];
}
