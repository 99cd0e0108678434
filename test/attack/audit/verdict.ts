import type postgres from "postgres";
import { CHANGES, type Made } from "./load.ts";

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

export interface Evidence {
  readonly made: readonly Made[];
  readonly killed: { readonly server: number; readonly atMs: number };
  readonly rows: ReadonlyMap<string, { readonly rows: number; readonly successes: number }>;
  /** Of jobs and keys that are there. */
  readonly there: ReadonlySet<string>;
}

/** The rows by request id, and what the calls have left. */
export async function readEvidence(sql: postgres.Sql): Promise<Pick<Evidence, "rows" | "there">> {
  const rows = await sql<{ id: string; rows: number; successes: number }[]>`
    select request_id as id, count(*)::int as rows, count(*) filter (where success)::int as successes
    from audit_logs where request_id <> '' group by request_id`;
  const there = await sql<{ id: string }[]>`
    select labels->>'id' as id from jobs where labels ? 'id' union all select name from api_keys`;
  return {
    rows: new Map(rows.map(({ id, ...counts }) => [id, counts])),
    there: new Set(there.map(({ id }) => id)),
  };
}

/** True for a read whose row may be gone. */
function mayBeLost({ kind, code, server, atMs }: Made, killed: Evidence["killed"]): boolean {
  const isChange = CHANGES.has(kind) && code === "ok";
  return !isChange && server === killed.server && Math.abs(atMs - killed.atMs) <= WINDOW_MS + SLACK_MS;
}

export function judge({ made, killed, rows, there }: Evidence): Count[] {
  const of = ({ id }: Made) => rows.get(id) ?? { rows: 0, successes: 0 };
  const answered = made.filter(({ code }) => code !== "lost");
  const lost = made.filter(({ code }) => code === "lost");
  const changes = answered.filter(({ kind, code }) => CHANGES.has(kind) && code === "ok");
  const others = answered.filter((call) => !changes.includes(call));
  const told = (call: Made): string =>
    `${call.id}: ${call.code}, ${of(call).rows} rows, ${of(call).successes} of success`;
  const wrong = (calls: readonly Made[], isRight: (call: Made) => boolean): string[] =>
    calls.filter((call) => !isRight(call)).map(told);
  const spared = others.filter((call) => of(call).rows === 0 && mayBeLost(call, killed));
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
      breaches: wrong(others, (call) => of(call).rows === 1 || spared.includes(call)),
    },
    { name: "rows of reads that were lost in the window", count: spared.length, breaches: [] },
    {
      name: "calls without an answer, each with one row at most",
      count: lost.length,
      breaches: wrong(lost, (call) => of(call).rows <= 1),
    },
    {
      name: "of these what was made, with a row of success exactly if it is there",
      count: makes.length,
      breaches: wrong(makes, (call) => (of(call).successes === 1) === there.has(call.id)),
    },
  ];
}
