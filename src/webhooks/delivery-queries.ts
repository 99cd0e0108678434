import { type Fragment, inScope, type ScopedSql, type ScopedTransaction, type Sql } from "../db/sql.ts";
import type { Attempt, Delivery, DeliveryStatus } from "./model.ts";

function columns(sql: Sql): Fragment {
  return sql`id, subscription_id as webhook_id, event_type, job_id, sequence, status, attempts, last_error,
    created_at as create_time, delivered_at as delivered_time, next_attempt_at as next_attempt_time`;
}

/** Of a webhook that was deleted, what is not swept so far is gone too. */
function ofWebhookThatIs(sql: Sql): Fragment {
  return sql`exists (select from webhook_subscriptions s where s.id = subscription_id)`;
}

/** A delivery that waits, due at once. */
export async function insertDelivery(
  tx: ScopedTransaction,
  delivery: { id: string; webhookId: string; userId: string; eventType: string; payload: string },
): Promise<Delivery> {
  const { id, webhookId, userId, eventType, payload } = delivery;
  const [row] = await tx<[Delivery]>`
    insert into webhook_deliveries (id, subscription_id, user_id, event_type, payload, status, next_attempt_at)
    values (${id}, ${webhookId}, ${userId}, ${eventType}, ${payload}, 'PENDING', now())
    returning ${columns(tx)}`;
  return row;
}

export interface DeliveryFilter {
  /** Null = of all webhooks in the scope. */
  readonly webhookId: string | null;
  readonly jobId: string | null;
  readonly status: DeliveryStatus | null;
  /** Empty = all. */
  readonly eventType: string;
  readonly since: Date | null;
  readonly until: Date | null;
}

/** Newest first. */
export async function listDeliveries(
  sql: ScopedSql,
  filter: DeliveryFilter,
  page: { limit: number; beforeId: string | null },
): Promise<Delivery[]> {
  const { webhookId, jobId, status, eventType, since, until } = filter;
  return await sql<Delivery[]>`
    select ${columns(sql)} from webhook_deliveries
    where ${inScope(sql, "user_id")} and ${ofWebhookThatIs(sql)}
      ${webhookId ? sql`and subscription_id = ${webhookId}` : sql``}
      ${jobId ? sql`and job_id = ${jobId}` : sql``}
      ${status ? sql`and status = ${status}` : sql``}
      ${eventType ? sql`and event_type = ${eventType}` : sql``}
      ${since ? sql`and created_at >= ${since}` : sql``}
      ${until ? sql`and created_at < ${until}` : sql``}
      ${page.beforeId ? sql`and id < ${page.beforeId}` : sql``}
    order by id desc limit ${page.limit}`;
}

export async function findDelivery(
  sql: ScopedSql,
  id: string,
): Promise<(Delivery & { readonly payload: string }) | null> {
  const [row] = await sql<(Delivery & { payload: string })[]>`
    select ${columns(sql)}, payload from webhook_deliveries
    where id = ${id} and ${inScope(sql, "user_id")} and ${ofWebhookThatIs(sql)}`;
  return row ?? null;
}

/** The last attempts, oldest first. */
export async function lastAttempts(sql: ScopedSql, deliveryId: string, limit: number): Promise<Attempt[]> {
  const rows = await sql<Attempt[]>`
    select number, started_at as start_time, duration_ms, http_status, error_class, error_message, response
    from webhook_attempts where delivery_id = ${deliveryId} and ${inScope(sql, "user_id")}
    order by number desc limit ${limit}`;
  return rows.reverse();
}

/** The webhook that a delivery belongs to, for one who sends it again. */
export async function webhookOf(
  tx: ScopedTransaction,
  deliveryId: string,
): Promise<{ readonly webhookId: string; readonly isActive: boolean } | null> {
  const [row] = await tx<{ webhookId: string; isActive: boolean }[]>`
    select d.subscription_id as webhook_id, s.is_active from webhook_deliveries d
    join webhook_subscriptions s on s.id = d.subscription_id
    where d.id = ${deliveryId} and ${inScope(tx, "d.user_id")}`;
  return row ?? null;
}

/** Due again at once, with a fresh schedule; one that waits loses its wait. Null when it is not in the scope. */
export async function redeliver(tx: ScopedTransaction, id: string): Promise<Delivery | null> {
  const [row] = await tx<Delivery[]>`
    update webhook_deliveries set status = 'PENDING', schedule_start = attempts, next_attempt_at = now(),
      delivered_at = null
    where id = ${id} and ${inScope(tx, "user_id")}
    returning ${columns(tx)}`;
  return row ?? null;
}

/** The same for those that were made in a time and are not due already, the oldest of them, `limit` at most. How many they are. */
export async function replay(
  tx: ScopedTransaction,
  of: { webhookId: string; since: Date; until: Date | null; onlyFailed: boolean },
  limit: number,
): Promise<number> {
  const { webhookId, since, until, onlyFailed } = of;
  const { count } = await tx`
    update webhook_deliveries set status = 'PENDING', schedule_start = attempts, next_attempt_at = now(),
      delivered_at = null
    where id in (
      select id from webhook_deliveries
      where subscription_id = ${webhookId} and ${inScope(tx, "user_id")}
        and (status <> 'PENDING' or next_attempt_at > now()) and (status <> 'DELIVERED' or not ${onlyFailed})
        and created_at >= ${since} ${until ? tx`and created_at < ${until}` : tx``}
      order by id limit ${limit} for update)`;
  return count;
}
