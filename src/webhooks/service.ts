import type { Auditor } from "../audit/auditor.ts";
import type { Database, ScopedTransaction } from "../db/sql.ts";
import type { Egress } from "../egress/egress.ts";
import type { EventBus } from "../events/bus.ts";
import { type Caller, ownScope, scopeOf } from "../lib/caller.ts";
import { InvalidRequestError } from "../lib/errors.ts";
import { requestHash } from "../lib/request-hash.ts";
import type { SecretBox } from "../lib/secret-box.ts";
import {
  type DeliveryFilter,
  findDelivery,
  insertDelivery,
  lastAttempts,
  listDeliveries,
  redeliver,
  replay,
  webhookOf,
} from "./delivery-queries.ts";
import {
  DeliveryNotFoundError,
  TooManyWebhooksError,
  WebhookDisabledError,
  WebhookNotFoundError,
  WebhookRequestReusedError,
  WebhookVersionConflictError,
} from "./errors.ts";
import { testPayload } from "./event-types.ts";
import { type Attempt, type Delivery, TEST_EVENT, type Webhook } from "./model.ts";
import {
  countPending,
  countWebhooks,
  deleteWebhook,
  endPause,
  findWebhook,
  findWebhookByRequest,
  insertWebhook,
  type LockedWebhook,
  listWebhooks,
  lockWebhook,
  resetEndpoint,
  rotateSecret,
  updateWebhook,
  type WebhookPage,
  type WebhookSettings,
} from "./queries.ts";
import { newSecret, seal, unseal } from "./secrets.ts";
import { assertHeaderValues, assertSettings, keptHeaders, type Settings, shownUrl } from "./settings.ts";

export type WebhooksService = ReturnType<typeof createWebhooksService>;

/** Webhooks of one user. */
const MAX_WEBHOOKS = 100;
/** Deliveries that one replay sends again. */
const MAX_REPLAYED = 100_000;
/** Up to here what waits is counted. */
const MAX_COUNTED = 10_000;
/** Attempts of a delivery that are shown. */
const MAX_ATTEMPTS_SHOWN = 100;
const DAY_MS = 24 * 60 * 60_000;
const DEFAULT_OVERLAP_MS = DAY_MS;
const LONGEST_OVERLAP_MS = 7 * DAY_MS;

export interface WebhooksDeps {
  readonly db: Database;
  readonly audit: Auditor;
  readonly egress: Egress;
  readonly bus: EventBus;
  readonly secrets: SecretBox;
  /** 32 bytes, the same on every server. */
  readonly requestHashKey: Uint8Array;
  readonly newId: () => string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export function createWebhooksService(deps: WebhooksDeps) {
  const { db, audit, egress, bus, secrets, requestHashKey, newId, now } = deps;

  const record = (
    tx: ScopedTransaction,
    caller: Caller,
    action: string,
    webhookId: string,
    details: Record<string, unknown>,
  ) => audit.record(tx, caller, { action, resourceType: "webhook", resourceId: webhookId, details });

  /** The webhook to change, locked. @throws WebhookNotFoundError, WebhookVersionConflictError */
  const forChange = async (
    tx: ScopedTransaction,
    id: string,
    expectedVersion: number,
  ): Promise<LockedWebhook> => {
    const webhook = await lockWebhook(tx, id);
    if (!webhook) throw new WebhookNotFoundError(id);
    if (expectedVersion !== 0 && expectedVersion !== webhook.version)
      throw new WebhookVersionConflictError(id, expectedVersion, webhook.version);
    return webhook;
  };

  const sealed = (id: string, settings: Settings, isOrdered: boolean): WebhookSettings => {
    const { url, events, description, headers } = settings;
    const headerNames = Object.keys(headers).sort();
    return {
      url: seal(secrets, id, "url", url),
      shownUrl: shownUrl(url),
      events: [...events].sort(),
      description,
      headers: headerNames.length > 0 ? seal(secrets, id, "headers", JSON.stringify(headers)) : null,
      headerNames,
      isOrdered,
    };
  };

  /** Dispatchers look at once. */
  const announce = (ids: readonly string[]): void => bus.announce("deliveries", ids);

  return {
    /**
     * Makes a webhook; a repeated `requestId` returns what the first call made, with its secret.
     * @throws InvalidRequestError, EgressDeniedError, TooManyWebhooksError, WebhookRequestReusedError
     */
    async create(
      caller: Caller,
      request: Settings & { isOrdered: boolean; requestId: string },
    ): Promise<{ webhook: Webhook; secret: string }> {
      assertSettings(request, egress);
      assertHeaderValues(request.headers, "give it a value");
      const { isOrdered, requestId } = request;
      const id = newId();
      const secret = newSecret();
      const { url, events, description, headers } = request;
      const hash = requestId
        ? requestHash(requestHashKey, { url, events: [...events].sort(), description, headers, isOrdered })
        : null;
      return await db.beginScoped(ownScope(caller), async (tx) => {
        const made = await insertWebhook(tx, {
          ...sealed(id, request, isOrdered),
          id,
          userId: caller.userId,
          secret: seal(secrets, id, "secret", secret),
          requestId: requestId || null,
          requestHash: hash,
        });
        if (!made) {
          const first = await findWebhookByRequest(tx, caller.userId, requestId);
          if (first?.requestHash !== hash || !first)
            throw new WebhookRequestReusedError(requestId, first?.id ?? "");
          const { requestHash: _, secret: itsSecret, ...webhook } = first;
          return { webhook, secret: unseal(secrets, webhook.id, "secret", itsSecret) };
        }
        if ((await countWebhooks(tx, caller.userId)) > MAX_WEBHOOKS)
          throw new TooManyWebhooksError(MAX_WEBHOOKS);
        await record(tx, caller, "webhooks.create", id, { url: made.shownUrl, events: made.events });
        return { webhook: made, secret };
      });
    },

    /** With the number of deliveries that wait, up to 10,000. @throws WebhookNotFoundError */
    async get(caller: Caller, id: string): Promise<{ webhook: Webhook; pendingCount: number }> {
      const sql = db.scoped(scopeOf(caller, "webhooks:read"));
      const [webhook, pendingCount] = await Promise.all([
        findWebhook(sql, id),
        countPending(sql, id, MAX_COUNTED),
      ]);
      if (!webhook) throw new WebhookNotFoundError(id);
      return { webhook, pendingCount };
    },

    /** A page, newest first. */
    async list(caller: Caller, page: WebhookPage): Promise<Webhook[]> {
      return await listWebhooks(db.scoped(scopeOf(caller, "webhooks:read")), page);
    },

    /**
     * Replaces the settings. The URL as it is shown keeps the one it has, with its query; a header with an empty value keeps
     * that, unless the URL changes: what was meant for one place is not sent to another. A change ends a pause, and another
     * URL starts without failures.
     * @throws InvalidRequestError, EgressDeniedError, WebhookNotFoundError, WebhookVersionConflictError
     */
    async update(
      caller: Caller,
      id: string,
      expectedVersion: number,
      request: Settings & { isOrdered: boolean | null; isActive: boolean | null },
    ): Promise<Webhook> {
      assertSettings(request, egress);
      return await db.beginScoped(scopeOf(caller, "webhooks:update"), async (tx) => {
        const before = await forChange(tx, id, expectedVersion);
        const known = unseal(secrets, id, "url", before.url);
        // Who has read it knows no query, and does not mean to take it away.
        const url = request.url === before.shownUrl ? known : request.url;
        const isSamePlace = url === known;
        const old: Record<string, string> =
          isSamePlace && before.headers ? JSON.parse(unseal(secrets, id, "headers", before.headers)) : {};
        const headers = keptHeaders(request.headers, old);
        assertHeaderValues(
          headers,
          isSamePlace
            ? "it has no value so far; give it one"
            : "with another URL its value is to be given anew",
        );
        const isActive = request.isActive ?? before.isActive;
        // How another place fared says nothing about this one, nor what it answers from now on.
        if (!isSamePlace || (isActive && !before.isActive)) await resetEndpoint(tx, id);
        else await endPause(tx, id);
        const webhook = await updateWebhook(tx, id, {
          ...sealed(id, { ...request, url, headers }, request.isOrdered ?? before.isOrdered),
          isActive,
        });
        const { shownUrl, events, version } = webhook;
        const details = { url: shownUrl, events, is_active: isActive, version };
        await record(tx, caller, "webhooks.update", id, details);
        return webhook;
      });
    },

    /** With its deliveries. @throws WebhookNotFoundError, WebhookVersionConflictError */
    async delete(caller: Caller, id: string, expectedVersion: number): Promise<void> {
      await db.beginScoped(scopeOf(caller, "webhooks:delete"), async (tx) => {
        const { shownUrl: url } = await forChange(tx, id, expectedVersion);
        await deleteWebhook(tx, id);
        await record(tx, caller, "webhooks.delete", id, { url });
      });
    },

    /**
     * A new secret; the one before signs too for `overlapMs`, 24 hours when null.
     * @throws InvalidRequestError, WebhookNotFoundError
     */
    async rotateSecret(
      caller: Caller,
      id: string,
      overlapMs: number | null,
    ): Promise<{ webhook: Webhook; secret: string }> {
      const overlap = overlapMs ?? DEFAULT_OVERLAP_MS;
      if (overlap < 0 || overlap > LONGEST_OVERLAP_MS) {
        throw new InvalidRequestError([{ field: "overlap", description: "it must be 0 to 7 days" }]);
      }
      const secret = newSecret();
      return await db.beginScoped(scopeOf(caller, "webhooks:update"), async (tx) => {
        await forChange(tx, id, 0);
        const webhook = await rotateSecret(tx, id, seal(secrets, id, "secret", secret), overlap);
        await record(tx, caller, "webhooks.rotate_secret", id, {
          overlap_seconds: Math.round(overlap / 1_000),
        });
        return { webhook, secret };
      });
    },

    /** A `webhook.test` for it, whatever it wants. @throws WebhookNotFoundError, WebhookDisabledError */
    async sendTest(caller: Caller, id: string): Promise<Delivery> {
      const delivery = await db.beginScoped(scopeOf(caller, "webhooks:update"), async (tx) => {
        const webhook = await forChange(tx, id, 0);
        if (!webhook.isActive) throw new WebhookDisabledError(id);
        const payload = testPayload(id, new Date(now()));
        const { userId } = webhook;
        const made = await insertDelivery(tx, {
          id: newId(),
          webhookId: id,
          userId,
          eventType: TEST_EVENT,
          payload,
        });
        await record(tx, caller, "webhooks.send_test", id, { delivery_id: made.id });
        await endPause(tx, id);
        return made;
      });
      announce([delivery.id]);
      return delivery;
    },

    /** A page, newest first. @throws WebhookNotFoundError for a webhook that the filter names and the caller has not */
    async deliveries(
      caller: Caller,
      filter: DeliveryFilter,
      page: { limit: number; beforeId: string | null },
    ): Promise<Delivery[]> {
      const sql = db.scoped(scopeOf(caller, "webhooks:read"));
      const found = await listDeliveries(sql, filter, page);
      if (found.length === 0 && filter.webhookId && !(await findWebhook(sql, filter.webhookId)))
        throw new WebhookNotFoundError(filter.webhookId);
      return found;
    },

    /** With its body and its last 100 attempts. @throws DeliveryNotFoundError */
    async delivery(
      caller: Caller,
      id: string,
    ): Promise<{ delivery: Delivery & { readonly payload: string }; attempts: Attempt[] }> {
      const sql = db.scoped(scopeOf(caller, "webhooks:read"));
      const [delivery, attempts] = await Promise.all([
        findDelivery(sql, id),
        lastAttempts(sql, id, MAX_ATTEMPTS_SHOWN),
      ]);
      if (!delivery) throw new DeliveryNotFoundError(id);
      return { delivery, attempts };
    },

    /** Sends one again, whatever became of it. @throws DeliveryNotFoundError, WebhookDisabledError */
    async redeliver(caller: Caller, id: string): Promise<Delivery> {
      const delivery = await db.beginScoped(scopeOf(caller, "webhooks:update"), async (tx) => {
        const webhook = await webhookOf(tx, id);
        if (!webhook) throw new DeliveryNotFoundError(id);
        if (!webhook.isActive) throw new WebhookDisabledError(webhook.webhookId);
        const again = await redeliver(tx, id);
        if (!again) throw new DeliveryNotFoundError(id);
        await audit.record(tx, caller, {
          action: "deliveries.redeliver",
          resourceType: "delivery",
          resourceId: id,
          details: { webhook_id: webhook.webhookId },
        });
        await endPause(tx, webhook.webhookId);
        return again;
      });
      announce([id]);
      return delivery;
    },

    /** Sends those of a time again, 100,000 at most; how many. @throws WebhookNotFoundError, WebhookDisabledError */
    async replay(
      caller: Caller,
      of: { webhookId: string; since: Date; until: Date | null; onlyFailed: boolean },
    ): Promise<number> {
      const { webhookId } = of;
      const count = await db.beginScoped(scopeOf(caller, "webhooks:update"), async (tx) => {
        const webhook = await forChange(tx, webhookId, 0);
        if (!webhook.isActive) throw new WebhookDisabledError(webhookId);
        const replayed = await replay(tx, of, MAX_REPLAYED);
        await audit.record(tx, caller, {
          action: "deliveries.replay",
          resourceType: "webhook",
          resourceId: webhookId,
          details: { count: replayed, since: of.since, until: of.until, only_failed: of.onlyFailed },
        });
        await endPause(tx, webhookId);
        return replayed;
      });
      announce([webhookId]);
      return count;
    },
  };
}
