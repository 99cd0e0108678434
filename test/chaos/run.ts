import { setTimeout as sleep } from "node:timers/promises";
import { endProgramsWithUs } from "../support/processes.ts";
import type { Arena, Fault } from "./arena.ts";
import { createBook } from "./book.ts";
import { withoutFencing } from "./broken.ts";
import { countFaults } from "./count-faults.ts";
import { FAULTS } from "./faults.ts";
import { type Fleet, startFleet } from "./fleet.ts";
import { guard } from "./guard.ts";
import { startHooks } from "./hooks.ts";
import { startLoad } from "./load.ts";
import { retryQuarantined } from "./operator.ts";
import { type Options, readOptions } from "./options.ts";
import { LANES, type Lane, planOf } from "./plan.ts";
import { comes } from "./recovery.ts";
import { tables } from "./table.ts";
import { judge } from "./verdict.ts";
import { createWatches } from "./watches.ts";

// Faults of every kind against a whole fleet under load, and then everything counted. Exit code 0: nothing was lost,
// doubled or stuck.

/** How long after the last fault the last job may take. */
const SETTLE_MS = 120_000;
const WATCHES_MS = 15_000;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** Runs the faults of one lane until the time is over and each kind has come. */
async function runLane(
  lane: Lane,
  arena: Arena,
  options: Options,
  note: (fault: Fault) => void,
): Promise<void> {
  const began = performance.now();
  const isOver = (): boolean => performance.now() - began > options.seconds * 1_000;
  for (const { kind, draw, pauseMs, round } of planOf(lane, options.seed, options.pauses)) {
    if (round > 1 && isOver()) return;
    await sleep(pauseMs);
    if (round > 1 && isOver()) return;
    try {
      note({ kind, ...(await FAULTS[kind](arena, draw)) });
    } catch (error) {
      note({ kind, recoveredMs: null, faults: [`${kind} failed: ${(error as Error).message}`] });
    }
  }
}

async function openJobs({ postgres }: Fleet): Promise<number> {
  const [row] = await postgres.ask(
    (sql) => sql<[{ open: number }]>`select count(*)::int as open from jobs
      where status not in ('COMPLETED', 'CANCELLED') and not (status = 'FAILED' and error->>'reason' <> 'QUARANTINED')`,
  );
  return row.open;
}

function wordsOf(fault: Fault): string {
  const { kind, recoveredMs, hit, note } = fault;
  const times = recoveredMs === null ? "" : `recovered after ${(recoveredMs / 1000).toFixed(1)} s`;
  return [kind, hit === undefined ? "" : `${hit} jobs hit`, times, note].filter(Boolean).join(", ");
}

/** @returns how many kinds of breach there were */
async function run(options: Options): Promise<number> {
  const { seed, jobs, seconds, leaseMs, redisAwayMs } = options;
  await using parts = new AsyncDisposableStack();
  const checkout = options.withoutFencing ? parts.use(await withoutFencing()) : null;
  const fleet = parts.use(await startFleet({ leaseMs, ...(checkout && { checkout: checkout.path }) }));
  say(
    `CHAOS_SEED=${seed}: ${jobs} jobs, ${fleet.workers.length} workers, ${fleet.servers.length} servers, lease ${leaseMs} ms, ${seconds} s of faults${checkout ? ", WITHOUT FENCING" : ""}`,
  );
  const hooks = parts.use(await startHooks());
  await hooks.subscribe(fleet);
  const book = createBook(fleet.servers.length);
  const watches = createWatches();
  const faults: Fault[] = [];
  const deaths: string[] = [];
  const began = performance.now();
  const elapsed = (): string => `${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s`;
  const endGuard = guard(fleet, (death) => {
    deaths.push(death);
    say(`${elapsed()}  ${death}`);
  });
  parts.defer(endGuard);
  const load = startLoad({ fleet, book, watches, seed, jobs, overMs: seconds * 1_000 });
  const arena: Arena = { fleet, book, load, redisAwayMs };
  const note = (fault: Fault): void => {
    faults.push(fault);
    say(`${elapsed()}  ${wordsOf(fault)}`);
    for (const text of fault.faults ?? []) say(`          ${text}`);
  };
  await Promise.all((Object.keys(LANES) as Lane[]).map((lane) => runLane(lane, arena, options, note)));
  say(`${elapsed()}  the faults are over, ${book.acknowledged.size} jobs were acknowledged`);
  await load.finish();
  await comes(async () => {
    await retryQuarantined(fleet, book);
    return (await openJobs(fleet)) === 0;
  }, SETTLE_MS);
  await watches.finish(WATCHES_MS);
  await hooks.finish(fleet, SETTLE_MS);
  say(`${elapsed()}  ${await openJobs(fleet)} jobs are open\n`);
  endGuard();

  const counts = [
    ...(await judge(fleet, book, watches.all)),
    ...(await hooks.judge(fleet)),
    ...countFaults(fleet, faults, deaths),
  ];
  say(tables(faults, counts));
  const breaches = counts.filter(({ breaches = [] }) => breaches.length > 0).length;
  if (breaches > 0) say(`\nWhat the processes have written: ${fleet.saveOutput()}`);
  say(
    `\n${breaches === 0 ? "ok" : "FAILED"}: CHAOS_SEED=${seed}, ${elapsed().trim()}, ${faults.length} faults, ${breaches} kinds of breach`,
  );
  return breaches;
}

const options = readOptions(process.argv.slice(2), process.env);
endProgramsWithUs();
setTimeout(() => {
  say(`FAILED: CHAOS_SEED=${options.seed}: not done after ${options.limitMs / 1000} s`);
  process.exit(1);
}, options.limitMs).unref();
process.exitCode = (await run(options)) === 0 ? 0 : 1;
