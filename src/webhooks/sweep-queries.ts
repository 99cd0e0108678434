import type { Sql, Transaction } from "../db/sql.ts";
import { firstIdAt } from "../lib/ids.ts";

/** Ends webhooks whose owners are not active any more, at most `limit`. */
export async function disableOfInactiveOwners(
  tx: Transaction,
  reason: string,
  limit: number,
): Promise<{ id: string; shownUrl: string }[]> {
  return await tx<{ id: string; shownUrl: string }[]>`
    update webhook_subscriptions s set is_active = false, disabled_reason = ${reason}, version = s.version + 1,
      updated_at = now()
    where s.id in (
      select w.id from users u join webhook_subscriptions w on w.user_id = u.id and w.is_active
      where not u.is_active limit ${limit} for update of w skip locked)
    returning s.id, s.shown_url`;
}

/** Deliveries that wait for webhooks which are not active: at most `limit` become `SKIPPED`. How many did. */
export async function skipPending(sql: Sql, limit: number): Promise<number> {
  const { count } = await sql`
    update webhook_deliveries set status = 'SKIPPED', next_attempt_at = null
    where id in (
      select d.id from webhook_subscriptions s cross join lateral (
        select d.id from webhook_deliveries d where d.subscription_id = s.id and d.status = 'PENDING' limit ${limit}
      ) d where not s.is_active limit ${limit})
      -- Not what an attempt that was on its way has delivered meanwhile.
      and status = 'PENDING'`;
  return count;
}

/** Removes deliveries of webhooks that were deleted, at most `limit`. How many went. */
export async function deleteOrphans(sql: Sql, limit: number): Promise<number> {
  // From one webhook to the next in the index, however many deliveries each has.
  const { count } = await sql`
    delete from webhook_deliveries where id in (
      with recursive told as (
        (select subscription_id as id from webhook_deliveries order by subscription_id limit 1)
        union all
        select (select subscription_id from webhook_deliveries where subscription_id > told.id
          order by subscription_id limit 1) from told where told.id is not null
      )
      select d.id from told cross join lateral (
        select id from webhook_deliveries where subscription_id = told.id limit ${limit}
      ) d where not exists (select from webhook_subscriptions s where s.id = told.id) limit ${limit})`;
  return count;
}

/** Removes deliveries that were made before `before` and wait for nothing, at most `limit`. How many went. */
export async function deleteOldDeliveries(sql: Sql, before: Date, limit: number): Promise<number> {
  const { count } = await sql`
    delete from webhook_deliveries where id in (
      select id from webhook_deliveries where id < ${firstIdAt(before.getTime())} and status <> 'PENDING'
      order by id limit ${limit})`;
  return count;
}
