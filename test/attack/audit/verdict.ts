import type postgres from "postgres";
import { CHANGES, type Made, STRANGER } from "./load.ts";

/** What was counted, with what must not be. */
export interface Count {
  readonly name: string;
  readonly count: number;
  readonly breaches: readonly string[];
}

/** Rows of reads that were answered so shortly before a kill -9 may be lost with the process. */
const WINDOW_MS = 100;
/** What the client's own clock and a slow machine add to the window. */
const SLACK_MS = 200;
/** How long anonymous calls are counted in memory. */
const FLOOD_MS = 60_000;

/** How many rows a call has left; of these the ones of success, and of a stream's beginning and end. */
interface Left {
  readonly rows: number;
  readonly successes: number;
  readonly begins: number;
  readonly ends: number;
}

export interface Evidence {
  readonly made: readonly Made[];
  readonly killed: { readonly server: number; readonly atMs: number };
  readonly rows: ReadonlyMap<string, Left>;
  /** Anonymous calls that were counted and have no row each. */
  readonly counted: number;
  /** Of jobs and keys that are there. */
  readonly there: ReadonlySet<string>;
}

/** The rows by request id, and what the calls have left. */
export async function readEvidence(sql: postgres.Sql): Promise<Omit<Evidence, "made" | "killed">> {
  const rows = await sql<({ id: string } & Left)[]>`
    select request_id as id, count(*)::int as rows, count(*) filter (where success)::int as successes,
      count(*) filter (where phase = 'begin')::int as begins, count(*) filter (where phase = 'end')::int as ends
    from audit_logs where request_id <> '' group by request_id`;
  const [floods] = await sql<{ counted: number }[]>`
    select coalesce(sum((request_details->>'count')::int), 0)::int as counted
    from audit_logs where action = 'rpc.flood' and host(ip_address) = ${STRANGER}`;
  const there = await sql<{ id: string }[]>`
    select labels->>'id' as id from jobs where labels ? 'id' union all select name from api_keys`;
  return {
    rows: new Map(rows.map(({ id, ...left }) => [id, left])),
    counted: floods?.counted ?? 0,
    there: new Set(there.map(({ id }) => id)),
  };
}

/** True for a call that was answered so shortly before the kill that its rows may be gone, if it changed nothing. */
function isInWindow({ server, atMs }: Made, killed: Evidence["killed"]): boolean {
  return server === killed.server && Math.abs(atMs - killed.atMs) <= WINDOW_MS + SLACK_MS;
}

/** True for the rows that the call must have: a stream that began has one for that and one for its end. */
function isWhole({ kind, code }: Made, { rows, begins, ends }: Left): boolean {
  if (kind !== "watch") return rows === 1;
  const began = begins === 1 && ends === 1 && rows === 2;
  const wasRefused = begins === 0 && rows === 1 && code !== "ok";
  return began || wasRefused;
}

/** All calls but the anonymous ones. */
export function judge({ made, killed, rows, there }: Evidence): Count[] {
  const of = ({ id }: Made): Left => rows.get(id) ?? { rows: 0, successes: 0, begins: 0, ends: 0 };
  const known = made.filter(({ kind }) => kind !== "anonymous");
  const answered = known.filter(({ code }) => code !== "lost");
  const lost = known.filter(({ code }) => code === "lost");
  const changes = answered.filter(({ kind, code }) => CHANGES.has(kind) && code === "ok");
  const streams = answered.filter(({ kind }) => kind === "watch");
  const others = answered.filter((call) => !changes.includes(call) && call.kind !== "watch");
  const told = (call: Made): string => `${call.id}: ${call.code}, ${JSON.stringify(of(call))}`;
  const wrong = (calls: readonly Made[], isRight: (call: Made) => boolean): string[] =>
    calls.filter((call) => !isRight(call)).map(told);
  const spared = new Set(
    [...others, ...streams].filter(
      (call) => isInWindow(call, killed) && !isWhole(call, of(call)) && of(call).rows <= 1,
    ),
  );
  const makes = lost.filter(({ kind }) => kind === "create" || kind === "key");
  return [
    {
      name: "changes that were answered, each with one row",
      count: changes.length,
      breaches: wrong(changes, (call) => of(call).rows === 1 && of(call).successes === 1),
    },
    {
      name: `all other answers, each with one row, up to the window of ${WINDOW_MS} ms before the kill`,
      count: others.length,
      breaches: wrong(others, (call) => isWhole(call, of(call)) || spared.has(call)),
    },
    {
      name: "streams that were answered, each with a row for its beginning and one for its end, up to the same",
      count: streams.length,
      breaches: wrong(streams, (call) => isWhole(call, of(call)) || spared.has(call)),
    },
    { name: "calls that lack rows of the window", count: spared.size, breaches: [] },
    {
      name: "calls without an answer, each with one row at most, and streams with two",
      count: lost.length,
      breaches: wrong(lost, (call) => of(call).rows <= (call.kind === "watch" ? 2 : 1)),
    },
    {
      name: "of these what was made, with a row of success exactly if it is there",
      count: makes.length,
      breaches: wrong(makes, (call) => (of(call).successes === 1) === there.has(call.id)),
    },
  ];
}

/**
 * The anonymous calls, of which few have rows and the others are counted: to be asked once no server counts any more.
 * What the killed one had counted in its last minute is gone.
 */
export function judgeAnonymous({ made, killed, rows, counted }: Evidence): Count[] {
  const calls = made.filter(({ kind }) => kind === "anonymous");
  const twice = calls.filter(({ id }) => (rows.get(id)?.rows ?? 0) > 1);
  const unlisted = calls.filter(({ id }) => !rows.has(id));
  const sure = unlisted.filter(({ server, code, atMs }) => {
    const beforeMs = killed.atMs - atMs;
    const mayBeGone = beforeMs >= -SLACK_MS && beforeMs <= FLOOD_MS + SLACK_MS;
    return code !== "lost" && !(server === killed.server && mayBeGone);
  }).length;
  const isRight = counted >= sure && counted <= unlisted.length;
  return [
    {
      name: `anonymous calls, with rows (${calls.length - unlisted.length}) or counted (${counted}), up to the minute before the kill`,
      count: calls.length,
      breaches: [
        ...twice.map(({ id }) => `${id} has ${rows.get(id)?.rows} rows`),
        ...(isRight ? [] : [`${counted} are counted, and not ${sure} to ${unlisted.length}`]),
      ],
    },
  ];
}
