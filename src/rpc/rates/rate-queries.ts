import { json, type Sql } from "../../db/sql.ts";
import type { Rate, Spending } from "./buckets.ts";
import { MAX_DEBT_SECONDS, type RateStore } from "./store.ts";

/** Shared buckets in Postgres: one statement for all that is settled at a time. */
export function createPostgresRates(sql: Sql): RateStore {
  return {
    settle: (spendings, rate) => settleRates(sql, spendings, rate),
    clean: () => removeFullBuckets(sql),
  };
}

async function settleRates(sql: Sql, spendings: readonly Spending[], rate: Rate): Promise<number[]> {
  const { perSecond, burst } = rate;
  // In one order for all processes, so that two that settle the same buckets never wait for each other in a circle.
  const rows = await sql<{ key: string; tokens: number }[]>`
    insert into rate_buckets as b (key, tokens, updated_at)
    select r.key, ${burst}::float8 - r.spent, clock_timestamp()
    from jsonb_to_recordset(${json(spendings)}::text::jsonb) as r(key text, spent float8) order by r.key
    on conflict (key) do update set
      tokens = greatest(${-perSecond * MAX_DEBT_SECONDS}::float8, least(${burst}::float8, b.tokens
        + ${perSecond}::float8 * greatest(0, extract(epoch from excluded.updated_at - b.updated_at)))
        + excluded.tokens - ${burst}::float8),
      updated_at = greatest(b.updated_at, excluded.updated_at)
    returning key, tokens`;
  const levels = new Map(rows.map(({ key, tokens }) => [key, tokens]));
  return spendings.map(({ key }) => levels.get(key) ?? burst);
}

/** After an hour without a call every bucket is full, and as good as none. */
async function removeFullBuckets(sql: Sql): Promise<void> {
  await sql`
    delete from rate_buckets where key in (
      select key from rate_buckets where updated_at < now() - interval '1 hour' limit 5000 for update skip locked)`;
}
