import { type Fragment, json, type Sql, type Transaction } from "../db/sql.ts";
import { storable } from "../lib/storable.ts";
import type { DeliveryStatus } from "./model.ts";
import type { EndpointState } from "./schedule.ts";
import { skipPending } from "./sweep-queries.ts";

/** An endpoint that this process delivers to, with all that an attempt needs; secrets still encrypted. */
export interface ClaimedEndpoint {
  readonly id: string;
  readonly userId: string;
  readonly fence: string;
  readonly version: number;
  readonly url: Uint8Array;
  readonly headers: Uint8Array | null;
  readonly secret: Uint8Array;
  readonly oldSecret: Uint8Array | null;
  readonly oldSecretExpiresAt: Date | null;
  readonly failures: number;
  readonly failingSince: Date | null;
}

/** Whether delivery `d` of subscription `s` waits for an earlier one of its job. */
function waitsForEarlier(sql: Sql): Fragment {
  return sql`(s.is_ordered and exists (select from webhook_deliveries b
    where b.job_id = d.job_id and b.sequence < d.sequence and b.subscription_id = d.subscription_id
      and b.status = 'PENDING'))`;
}

/**
 * Endpoints with something to deliver that no process delivers to, those first that were served longest ago: they are
 * this process's until `heldUntil`, or until it releases them.
 * @param claim.heldOf how many endpoints of each owner this process has; with those it gets they are `ownerLimit` at most
 */
export async function claimEndpoints(
  sql: Sql,
  claim: {
    now: Date;
    heldUntil: Date;
    limit: number;
    ownerLimit: number;
    heldOf: ReadonlyMap<string, number>;
  },
): Promise<ClaimedEndpoint[]> {
  const { now, heldUntil, limit, ownerLimit, heldOf } = claim;
  return await sql<ClaimedEndpoint[]>`
    with due as (
      select e.subscription_id, e.user_id, row_number() over (partition by e.user_id order by e.served_at) as nth
      from webhook_endpoints e join webhook_subscriptions s on s.id = e.subscription_id and s.is_active
      -- One of each: of an exists Postgres may make a join that reads all that is due, and of a paused endpoint that is much.
      cross join lateral (
        select from webhook_deliveries d
        where d.subscription_id = s.id and d.status = 'PENDING' and d.next_attempt_at <= ${now}
          and not ${waitsForEarlier(sql)} limit 1) d
      where e.held_until <= ${now} and e.paused_until <= ${now}
    ), free as (
      select e.subscription_id from due join webhook_endpoints e on e.subscription_id = due.subscription_id
      where e.held_until <= ${now} and e.paused_until <= ${now}
        and due.nth <= ${ownerLimit} - coalesce((${json(Object.fromEntries(heldOf))}::text::jsonb->>due.user_id::text)::int, 0)
      order by e.served_at limit ${limit} for update of e skip locked
    )
    update webhook_endpoints e set held_until = ${heldUntil}, fence = e.fence + 1,
      served_at = ${now}
    from free join webhook_subscriptions s on s.id = free.subscription_id
    where e.subscription_id = free.subscription_id
    returning s.id, s.user_id, e.fence, s.version, s.url, s.headers, s.secret, s.old_secret,
      s.old_secret_expires_at, e.failures, e.failing_since`;
}

/** A delivery to attempt. */
export interface DueDelivery {
  readonly id: string;
  readonly webhookId: string;
  readonly payload: string;
  /** So far, and how many of them belong to an earlier schedule. */
  readonly attempts: number;
  readonly scheduleStart: number;
}

/** What an endpoint that is held still wants. */
export interface Wish {
  readonly id: string;
  readonly fence: string;
  /** As it was claimed; another one has other settings. */
  readonly version: number;
  readonly limit: number;
  /** Deliveries that this process has in hand. */
  readonly except: readonly string[];
}

/** Deliveries that are due, the longest due first. Of a webhook that changed, was disabled, or is another's by now: none. */
export async function dueDeliveries(sql: Sql, wishes: readonly Wish[], now: Date): Promise<DueDelivery[]> {
  return await sql<DueDelivery[]>`
    select d.id, d.subscription_id as webhook_id, d.payload, d.attempts, d.schedule_start
    from jsonb_to_recordset(${json(wishes)}::text::jsonb)
      as w(id uuid, fence bigint, version int, "limit" int, "except" uuid[])
    join webhook_endpoints e on e.subscription_id = w.id and e.fence = w.fence
    join webhook_subscriptions s on s.id = w.id and s.version = w.version and s.is_active
    cross join lateral (
      select * from webhook_deliveries d
      where d.subscription_id = w.id and d.status = 'PENDING' and d.next_attempt_at <= ${now}
        and d.id <> all (w."except") and not ${waitsForEarlier(sql)}
      order by d.next_attempt_at, d.id limit w."limit"
    ) d`;
}

/** Which of the endpoints are still this process's and as they were claimed; these are held until `heldUntil`. */
export async function renewEndpoints(
  sql: Sql,
  held: readonly Pick<Wish, "id" | "fence" | "version">[],
  heldUntil: Date,
): Promise<Set<string>> {
  const rows = await sql<{ id: string }[]>`
    update webhook_endpoints e set held_until = ${heldUntil}
    from jsonb_to_recordset(${json(held)}::text::jsonb) as h(id uuid, fence bigint, version int)
    join webhook_subscriptions s on s.id = h.id and s.version = h.version and s.is_active
    where e.subscription_id = h.id and e.fence = h.fence
    returning e.subscription_id as id`;
  return new Set(rows.map(({ id }) => id));
}

/** Lets other processes have them. */
export async function releaseEndpoints(sql: Sql, held: readonly Pick<Wish, "id" | "fence">[]): Promise<void> {
  await sql`
    update webhook_endpoints e set held_until = '-infinity'
    from jsonb_to_recordset(${json(held)}::text::jsonb) as h(id uuid, fence bigint)
    where e.subscription_id = h.id and e.fence = h.fence`;
}

/** How an attempt ended, and what follows for its delivery. */
export interface AttemptRecord {
  readonly deliveryId: string;
  /** Of the attempt, from 1. */
  readonly number: number;
  /** As it was read; another one has been sent again meanwhile. */
  readonly scheduleStart: number;
  readonly startTime: Date;
  readonly durationMs: number;
  readonly httpStatus: number;
  readonly errorClass: string;
  readonly errorMessage: string;
  readonly response: Uint8Array;
  readonly status: DeliveryStatus;
  /** While it is pending. */
  readonly nextAttemptTime: Date | null;
}

/**
 * Keeps attempts and moves their deliveries on. One that another process has recorded an attempt of meanwhile, and one
 * that is not pending any more, is left as it is; one that was sent again during an attempt that failed stays due.
 */
export async function recordAttempts(sql: Sql, records: readonly AttemptRecord[], now: Date): Promise<void> {
  const rows = records.map(({ response, errorMessage, ...rest }) => ({
    ...rest,
    errorMessage: storable(errorMessage),
    response: Buffer.from(response).toString("base64"),
  }));
  const again = sql`(r.status <> 'DELIVERED' and d.schedule_start > r."scheduleStart")`;
  await sql`
    with r as (
      select * from jsonb_to_recordset(${json(rows)}::text::jsonb) as r("deliveryId" uuid, number int,
        "scheduleStart" int, "startTime" timestamptz, "durationMs" int, "httpStatus" int, "errorClass" text,
        "errorMessage" text, response text, status text, "nextAttemptTime" timestamptz)
    ), d as (
      update webhook_deliveries d set attempts = r.number, last_error = r."errorMessage",
        status = case when ${again} then 'PENDING' else r.status end,
        next_attempt_at = case when ${again} then d.next_attempt_at else r."nextAttemptTime" end,
        delivered_at = case when r.status = 'DELIVERED' then ${now}::timestamptz end
      from r where d.id = r."deliveryId" and d.status = 'PENDING' and d.attempts = r.number - 1
      returning d.id, d.user_id
    )
    insert into webhook_attempts (delivery_id, number, user_id, started_at, duration_ms, http_status, error_class,
      error_message, response)
    select d.id, r.number, d.user_id, r."startTime", r."durationMs", r."httpStatus", r."errorClass", r."errorMessage",
      decode(r.response, 'base64')
    from d join r on r."deliveryId" = d.id`;
}

/** How the endpoints fare now; of those that are another's by now nothing is written. */
export async function saveEndpointStates(
  sql: Sql,
  states: readonly ({ readonly id: string; readonly fence: string } & EndpointState)[],
): Promise<void> {
  const rows = states.map(({ failingSince, pausedUntil, ...rest }) => ({
    ...rest,
    failingSince: failingSince === null ? null : new Date(failingSince),
    pausedUntil: new Date(pausedUntil),
  }));
  await sql`
    update webhook_endpoints e set failures = n.failures, failing_since = n."failingSince", paused_until = n."pausedUntil"
    from jsonb_to_recordset(${json(rows)}::text::jsonb)
      as n(id uuid, fence bigint, failures int, "failingSince" timestamptz, "pausedUntil" timestamptz)
    where e.subscription_id = n.id and e.fence = n.fence`;
}

/**
 * Ends a webhook that nobody is behind any more, if it is still active and this process's: false when it is not.
 * What waits becomes `SKIPPED`, up to 5,000 here and the rest with the next sweeps.
 */
export async function disableWebhook(
  tx: Transaction,
  { id, fence }: Pick<Wish, "id" | "fence">,
  reason: string,
): Promise<{ userId: string; shownUrl: string } | null> {
  const [row] = await tx<{ userId: string; shownUrl: string }[]>`
    update webhook_subscriptions s set is_active = false, disabled_reason = ${reason}, version = s.version + 1,
      updated_at = now()
    from webhook_endpoints e
    where s.id = ${id} and s.is_active and e.subscription_id = s.id and e.fence = ${fence}
    returning s.user_id, s.shown_url`;
  if (!row) return null;
  await skipPending(tx, 5_000);
  return row;
}

/** Tells the owner's other active webhooks that want to know of it. */
export async function insertDisabledEvents(
  tx: Transaction,
  { userId, exceptId, payload, now }: { userId: string; exceptId: string; payload: string; now: Date },
): Promise<void> {
  await tx`
    insert into webhook_deliveries (id, subscription_id, user_id, event_type, payload, status, next_attempt_at)
    select new_uuid(), id, user_id, 'webhook.disabled', ${payload}, 'PENDING', ${now}
    from webhook_subscriptions
    where user_id = ${userId} and id <> ${exceptId} and is_active
      and events && array['*', 'webhook.*', 'webhook.disabled']`;
}

/** How many deliveries are due, up to 100,000. */
export async function countDue(sql: Sql, now: Date): Promise<number> {
  const [row] = await sql<[{ count: number }]>`
    select count(*)::int as count from (
      select from webhook_subscriptions s cross join lateral (
        select from webhook_deliveries d
        where d.subscription_id = s.id and d.status = 'PENDING' and d.next_attempt_at <= ${now}
          and not ${waitsForEarlier(sql)} limit 10000) d
      where s.is_active limit 100000) as due`;
  return row.count;
}

/**
 * Since when the longest due delivery to an endpoint without failures has been so; null when none is due.
 * @param of those of all, or only of those that no process delivers to
 */
export async function oldestDue(sql: Sql, now: Date, of: "all" | "unheld"): Promise<Date | null> {
  const [row] = await sql<[{ oldest: Date | null }]>`
    select min(d.next_attempt_at) as oldest
    from webhook_subscriptions s join webhook_endpoints e on e.subscription_id = s.id and e.failures = 0
      ${of === "all" ? sql`` : sql`and e.held_until <= ${now}`}
    cross join lateral (
      select next_attempt_at from webhook_deliveries d
      where d.subscription_id = s.id and d.status = 'PENDING' and d.next_attempt_at <= ${now}
        and not ${waitsForEarlier(sql)}
      order by next_attempt_at limit 1) d
    where s.is_active`;
  return row.oldest;
}
