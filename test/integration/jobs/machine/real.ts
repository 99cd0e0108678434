/** The real thing: processes on one database, which die at crash points and are followed by others. */
import type fc from "fast-check";
import type { Sql } from "../../../../src/db/sql.ts";
import { newId } from "../../../../src/lib/ids.ts";
import { type CrashingProcess, type CrashPoint, createCrashPoints } from "../../../support/crash-points.ts";
import type { Harness, Services } from "../../../support/harness.ts";
import type { Model } from "./model.ts";
import { compare, type Known, type Snapshot, takeSnapshot } from "./snapshot.ts";

/** What happened in all runs, to show that nothing was left out. */
export type Counts = Map<string, number>;

export interface Real {
  /** Connections of the test's own. */
  readonly sql: Sql;
  readonly counts: Counts;
  /** Lower than every id of this run, and higher than those of the runs before. */
  readonly since: string;
  readonly known: Known;
  process: CrashingProcess;
  services: Services;
  /** Puts a new process in the place of one that died. */
  restart(): void;
}

export type Command = fc.AsyncCommand<Model, Real>;

/** What many small statements cost is planning and waiting for the disk; nothing here is about a server that dies. */
const QUICK = { plan_cache_mode: "force_generic_plan", synchronous_commit: "off" };

/** Sets runs up on one database, one after the other. */
export async function createRuns(h: Harness, counts: Counts): Promise<() => { model: Model; real: Real }> {
  const { sql } = h.db.dedicated({ name: "test", max: 1, statementTimeoutMs: 30_000, settings: QUICK });
  // For the connections to come: none of the services is open yet.
  for (const [name, value] of Object.entries(QUICK))
    await sql.unsafe(
      `do $$ begin execute format('alter database %I set ${name} = ${value}', current_database()); end $$`,
    );
  const crashes = createCrashPoints(h.db);
  const start = (): Pick<Real, "process" | "services"> => {
    const process = crashes.newProcess();
    return { process, services: h.newProcess(process.db) };
  };
  let users = 0;
  // All ids are neighbours: the round of owners begins at a random id, so that it practically always begins at the
  // first owner, and the same seed gives the same run.
  const userId = (): string => `00000000-0000-7000-8000-${String(++users).padStart(12, "0")}`;
  const owner = h.caller();
  return () => {
    const real: Real = {
      sql,
      counts,
      since: newId(),
      known: new Map(),
      ...start(),
      restart() {
        Object.assign(real, start());
      },
    };
    const model: Model = {
      callers: [
        { ...owner, userId: userId() },
        { ...owner, userId: userId() },
        { ...h.admin, userId: userId() },
      ],
      jobs: [],
      deleted: [],
      sent: [],
      audit: [],
      paused: false,
      loose: false,
      serial: 0,
    };
    return { model, real };
  };
}

/** One act of the product. */
export interface Act<T> {
  call(services: Services): Promise<T>;
  /** What it does to the model when its commit stands. Answers the check of what the caller was told. */
  follow(seen: Snapshot): (answer: T | Error, crashed: boolean) => void;
}

/**
 * Does the act, which may die at the crash point; the model follows when its commit stands, and then the database
 * must be as the model says.
 */
export async function perform<T>(
  m: Model,
  r: Real,
  name: string,
  crash: CrashPoint | null,
  act: Act<T>,
): Promise<void> {
  const { process, services } = r;
  const { crashed, committed, answer } = await process.run(crash, () => act.call(services));
  if (process.dead) r.restart();
  if (crash) count(r, name, crash, crashed);
  else addTo(r.counts, name);
  const seen = await takeSnapshot(r.sql, m, r.since);
  // Everything has its effect in its first commit; further ones only help others along.
  const stands = !crashed || committed > 0;
  const check = stands ? act.follow(seen) : null;
  if (crashed) m.loose = true;
  if (answer && check) check(answer.value, crashed !== null);
  else if (answer)
    throw new Error(`a caller was told of what did not happen: ${JSON.stringify(answer.value)}`);
  compare(m, seen, r.known);
}

function count(r: Real, name: string, crash: CrashPoint, crashed: CrashPoint["where"] | null): void {
  addTo(r.counts, name);
  if (!crashed) return;
  addTo(r.counts, `${crash.skip > 0 ? "a later commit" : name}, crashed ${crashed}`);
  addTo(r.counts, `crashed ${crashed}: ${crash.manner}`);
}

export function addTo(counts: Counts, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1);
}

/** Does what has no commit to crash at, or what time would do to the rows; `work` tells the model too. */
export async function performHere(
  m: Model,
  r: Real,
  name: string,
  work: () => Promise<unknown>,
): Promise<void> {
  addTo(r.counts, name);
  await work();
  compare(m, await takeSnapshot(r.sql, m, r.since), r.known);
}
