import {
  array,
  type Fragment,
  inScope,
  type ScopedSql,
  type ScopedTransaction,
  type Sql,
} from "../db/sql.ts";
import { storable } from "../lib/storable.ts";
import type { Webhook } from "./model.ts";

type WebhookRow = Omit<Webhook, "health"> & {
  failures: number | null;
  failingSince: Date | null;
  pausedUntil: Date | null;
};

function fromRow({ failures, failingSince, pausedUntil, ...row }: WebhookRow): Webhook {
  return { ...row, health: { failures: failures ?? 0, failingSince, pausedUntil } };
}

function columns(sql: Sql): Fragment {
  return sql`s.id, s.user_id, s.shown_url, to_jsonb(s.events) as events, s.description,
    to_jsonb(s.header_names) as header_names, s.is_ordered, s.is_active, s.disabled_reason, s.version,
    s.created_at as create_time, s.updated_at as update_time,
    case when s.old_secret_expires_at > now() then s.old_secret_expires_at end as old_secret_expire_time,
    e.failures, e.failing_since, case when e.paused_until > now() then e.paused_until end as paused_until`;
}

/** What an owner sets; what is secret is encrypted. */
export interface WebhookSettings {
  readonly url: Buffer;
  readonly shownUrl: string;
  readonly events: readonly string[];
  readonly description: string;
  readonly headers: Buffer | null;
  readonly headerNames: readonly string[];
  readonly isOrdered: boolean;
}

export interface NewWebhook extends WebhookSettings {
  readonly id: string;
  readonly userId: string;
  readonly secret: Buffer;
  readonly requestId: string | null;
  readonly requestHash: string | null;
}

/** Null, and nothing written, when the request id was used within 24 hours. */
export async function insertWebhook(tx: ScopedTransaction, webhook: NewWebhook): Promise<Webhook | null> {
  const { id, userId, requestId } = webhook;
  await tx`
    update webhook_subscriptions set request_id = null, request_hash = null
    where user_id = ${userId} and request_id = ${requestId} and created_at < now() - interval '24 hours'`;
  const [row] = await tx<WebhookRow[]>`
    with s as (
      insert into webhook_subscriptions (id, user_id, url, shown_url, events, description, headers, header_names, secret,
        is_ordered, request_id, request_hash)
      values (${id}, ${userId}, ${webhook.url}, ${storable(webhook.shownUrl)}, ${array(webhook.events)}::text::text[],
        ${storable(webhook.description)}, ${webhook.headers}, ${array(webhook.headerNames)}::text::text[],
        ${webhook.secret}, ${webhook.isOrdered}, ${requestId}, ${webhook.requestHash})
      on conflict (user_id, request_id) where request_id is not null do nothing
      returning *
    ), e as (
      insert into webhook_endpoints (subscription_id, user_id) select id, user_id from s returning *
    )
    select ${columns(tx)} from s join e on e.subscription_id = s.id`;
  return row ? fromRow(row) : null;
}

/** What a request id has made within 24 hours. */
export async function findWebhookByRequest(
  sql: ScopedTransaction,
  userId: string,
  requestId: string,
): Promise<(Webhook & { readonly requestHash: string; readonly secret: Uint8Array }) | null> {
  const [row] = await sql<(WebhookRow & { requestHash: string; secret: Uint8Array })[]>`
    select ${columns(sql)}, s.request_hash, s.secret
    from webhook_subscriptions s join webhook_endpoints e on e.subscription_id = s.id
    where s.user_id = ${userId} and s.request_id = ${requestId} and ${inScope(sql, "s.user_id")}`;
  if (!row) return null;
  const { requestHash, secret, ...rest } = row;
  return { ...fromRow(rest), requestHash, secret };
}

export async function countWebhooks(sql: ScopedTransaction, userId: string): Promise<number> {
  const [row] = await sql<[{ count: number }]>`
    select count(*)::int as count from webhook_subscriptions where user_id = ${userId} and ${inScope(sql, "user_id")}`;
  return row.count;
}

export async function findWebhook(sql: ScopedSql, id: string): Promise<Webhook | null> {
  const [row] = await sql<WebhookRow[]>`
    select ${columns(sql)} from webhook_subscriptions s join webhook_endpoints e on e.subscription_id = s.id
    where s.id = ${id} and ${inScope(sql, "s.user_id")}`;
  return row ? fromRow(row) : null;
}

/** Deliveries of a webhook that wait, counted up to `limit`. */
export async function countPending(sql: ScopedSql, id: string, limit: number): Promise<number> {
  const [row] = await sql<[{ count: number }]>`
    select count(*)::int as count from (
      select from webhook_deliveries
      where subscription_id = ${id} and status = 'PENDING' and ${inScope(sql, "user_id")} limit ${limit}) as waiting`;
  return row.count;
}

export interface WebhookPage {
  /** Null = both. */
  readonly isActive: boolean | null;
  readonly limit: number;
  readonly beforeId: string | null;
}

/** Newest first. */
export async function listWebhooks(sql: ScopedSql, page: WebhookPage): Promise<Webhook[]> {
  const { isActive, limit, beforeId } = page;
  const rows = await sql<WebhookRow[]>`
    select ${columns(sql)} from webhook_subscriptions s join webhook_endpoints e on e.subscription_id = s.id
    where ${inScope(sql, "s.user_id")} ${isActive === null ? sql`` : sql`and s.is_active = ${isActive}`}
      ${beforeId ? sql`and s.id < ${beforeId}` : sql``}
    order by s.id desc limit ${limit}`;
  return rows.map(fromRow);
}

/** A webhook as it stands, for one who changes it: nobody else does until the transaction ends. */
export interface LockedWebhook {
  readonly id: string;
  readonly userId: string;
  readonly url: Uint8Array;
  readonly shownUrl: string;
  readonly headers: Uint8Array | null;
  readonly isOrdered: boolean;
  readonly isActive: boolean;
  readonly version: number;
}

export async function lockWebhook(tx: ScopedTransaction, id: string): Promise<LockedWebhook | null> {
  const [row] = await tx<LockedWebhook[]>`
    select id, user_id, url, shown_url, headers, is_ordered, is_active, version from webhook_subscriptions
    where id = ${id} and ${inScope(tx, "user_id")} for update`;
  return row ?? null;
}

/** Changes one that is locked. */
export async function updateWebhook(
  tx: ScopedTransaction,
  id: string,
  next: WebhookSettings & { readonly isActive: boolean },
): Promise<Webhook> {
  const [row] = await tx<WebhookRow[]>`
    with s as (
      update webhook_subscriptions set url = ${next.url}, shown_url = ${storable(next.shownUrl)},
        events = ${array(next.events)}::text::text[], description = ${storable(next.description)},
        headers = ${next.headers}, header_names = ${array(next.headerNames)}::text::text[],
        is_ordered = ${next.isOrdered}, is_active = ${next.isActive},
        disabled_reason = case when ${next.isActive} then '' else disabled_reason end,
        version = version + 1, updated_at = now()
      where id = ${id} and ${inScope(tx, "user_id")} returning *
    )
    select ${columns(tx)} from s join webhook_endpoints e on e.subscription_id = s.id`;
  if (!row) throw new Error("a locked webhook is gone");
  return fromRow(row);
}

/** Its failures so far are forgotten, and who delivered to it before has no say in how it fares from now on. */
export async function resetEndpoint(tx: ScopedTransaction, id: string): Promise<void> {
  await tx`
    update webhook_endpoints set failures = 0, failing_since = null, paused_until = '-infinity',
      held_until = '-infinity', fence = fence + 1
    where subscription_id = ${id} and ${inScope(tx, "user_id")}`;
}

/**
 * The next attempt may come now, since its owner wants one; another failure means another pause. Not to be followed by what
 * takes long: who delivers waits for this row.
 */
export async function endPause(tx: ScopedTransaction, id: string): Promise<void> {
  await tx`
    update webhook_endpoints set paused_until = '-infinity'
    where subscription_id = ${id} and paused_until > now() and ${inScope(tx, "user_id")}`;
}

/** Gives one that is locked a new secret; the one before signs too for `overlapMs`. */
export async function rotateSecret(
  tx: ScopedTransaction,
  id: string,
  secret: Buffer,
  overlapMs: number,
): Promise<Webhook> {
  const [row] = await tx<WebhookRow[]>`
    with s as (
      update webhook_subscriptions set secret = ${secret},
        old_secret = case when ${overlapMs} > 0 then webhook_subscriptions.secret end,
        old_secret_expires_at = case when ${overlapMs} > 0 then now() + ${overlapMs} * interval '1 ms' end,
        version = version + 1, updated_at = now()
      where id = ${id} and ${inScope(tx, "user_id")} returning *
    )
    select ${columns(tx)} from s join webhook_endpoints e on e.subscription_id = s.id`;
  if (!row) throw new Error("a locked webhook is gone");
  return fromRow(row);
}

/** Its deliveries are seen by nobody from now on, and swept. */
export async function deleteWebhook(tx: ScopedTransaction, id: string): Promise<void> {
  await tx`delete from webhook_subscriptions where id = ${id} and ${inScope(tx, "user_id")}`;
}
