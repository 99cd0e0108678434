import { setMaxListeners } from "node:events";
import type { Auditor } from "../audit/auditor.ts";
import { systemActor } from "../audit/model.ts";
import type { DedicatedPool } from "../db/sql.ts";
import type { Egress } from "../egress/egress.ts";
import type { EventBus } from "../events/bus.ts";
import { messageOf } from "../lib/errors.ts";
import type { Lifecycle } from "../lib/lifecycle.ts";
import type { SecretBox } from "../lib/secret-box.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import {
  type AttemptRecord,
  claimEndpoints,
  type DueDelivery,
  disableWebhook,
  dueDeliveries,
  insertDisabledEvents,
  recordAttempts,
  releaseEndpoints,
  renewEndpoints,
  saveEndpointStates,
} from "./dispatch-queries.ts";
import { disabledPayload } from "./event-types.ts";
import { canBegin, type HeldEndpoint, holdEndpoint, keysAt, wantOf, wishOf } from "./held-endpoint.ts";
import { type Outcome, post } from "./post.ts";
import { afterFailure, HEALTHY, isGivenUp, nextWaitMs } from "./schedule.ts";

/** Attempts on their way at once, to all endpoints together. */
const PLACES = 128;
/** An owner's share of them. */
const OWNER_PLACES = PLACES / 4;
/** Endpoints that this process has at once: with more than places there are always some with something to do. */
const MAX_HELD = 2 * PLACES;
/** Attempts that the database has not taken; with more nothing is begun. */
const MAX_UNRECORDED = 1_000;
const RECORD_BATCH = 200;
/** Longer than an attempt and the time between renewals, so that an endpoint is not left in the middle of one. */
const HOLD_MS = 20_000;
const RENEW_MS = 5_000;
/** Without an announcement it is looked so often what is due. */
const LOOK_MS = 1_000;
/** Looks are so far apart, however many announcements come. */
const LOOK_GAP_MS = 20;
/** After a failure of the database. */
const PAUSE_MS = 500;
/** At the end attempts on their way have so long to be answered. */
const STOP_MS = 3_000;

export interface DispatcherDeps {
  /** Of its own: deliveries must not wait behind callers, nor these behind them. */
  readonly pool: DedicatedPool;
  readonly bus: EventBus;
  readonly egress: Egress;
  readonly secrets: SecretBox;
  readonly audit: Auditor;
  /** Milliseconds since the epoch, by the clock of the database. */
  readonly now: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/**
 * Posts deliveries, in any number of processes: each takes endpoints for itself, for 20 s at a time, and attempts
 * what is due there, a few at once and one owner never with more than a quarter of all. What a process that was killed had
 * on its way is attempted again by another, under the same id.
 */
export function createDispatcher(deps: DispatcherDeps): Lifecycle {
  const { pool, bus, egress, secrets, audit, now, random, logger, metrics } = deps;
  const held = new Map<string, HeldEndpoint>();
  const inFlightOf = new Map<string, number>();
  const flights = new Set<Promise<void>>();
  const unrecorded: { endpoint: HeldEndpoint; record: AttemptRecord }[] = [];
  const changed = new Set<HeldEndpoint>();
  /** To be disabled, and why. */
  const doomed = new Map<HeldEndpoint, string>();
  const over = new AbortController();
  // Every attempt on its way listens.
  setMaxListeners(0, over.signal);
  let stopping = false;
  let wake = (): void => {};
  let woken = false;

  const awaken = (): void => {
    woken = true;
    wake();
  };

  const rest = async (ms: number): Promise<void> => {
    if (woken || stopping) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  };

  const pause = async (ms: number): Promise<void> => await new Promise((resolve) => setTimeout(resolve, ms));

  const ownerHas = (userId: string): number => inFlightOf.get(userId) ?? 0;

  /** Its place in the row changes too: who was served stands last. */
  const begin = (endpoint: HeldEndpoint): void => {
    const delivery = endpoint.waiting.shift();
    if (!delivery) return;
    held.delete(endpoint.id);
    held.set(endpoint.id, endpoint);
    endpoint.inFlight++;
    inFlightOf.set(endpoint.userId, ownerHas(endpoint.userId) + 1);
    const flight = attempt(endpoint, delivery).finally(() => {
      flights.delete(flight);
      endpoint.inFlight--;
      const left = ownerHas(endpoint.userId) - 1;
      if (left > 0) inFlightOf.set(endpoint.userId, left);
      else inFlightOf.delete(endpoint.userId);
      fill();
    });
    flights.add(flight);
  };

  /** Begins what may begin: one for each endpoint in turn. */
  const fill = (): void => {
    if (stopping) return;
    for (let begun = true; begun; ) {
      begun = false;
      for (const endpoint of [...held.values()]) {
        if (flights.size >= PLACES || unrecorded.length >= MAX_UNRECORDED) return;
        if (!canBegin(endpoint) || ownerHas(endpoint.userId) >= OWNER_PLACES) continue;
        begin(endpoint);
        begun = true;
      }
    }
    if ([...held.values()].some((endpoint) => endpoint.mayHaveMore && wantOf(endpoint) > 0)) awaken();
  };

  const attempt = async (endpoint: HeldEndpoint, delivery: DueDelivery): Promise<void> => {
    const { url, headers } = endpoint.target;
    const message = { url, headers, keys: keysAt(endpoint.target, now()), id: delivery.id };
    const outcome = await post({ ...message, body: delivery.payload }, { egress, now, stop: over.signal });
    // Cut off by the end of this process: nobody knows what became of it, and another process attempts it again.
    if (over.signal.aborted && !outcome.succeeded) return;
    take(endpoint, delivery, outcome);
  };

  const take = (endpoint: HeldEndpoint, delivery: DueDelivery, outcome: Outcome): void => {
    const { succeeded, gone, retryAfterMs, ...kept } = outcome;
    const number = delivery.attempts + 1;
    metrics.webhookAttempts.inc({ outcome: succeeded ? "delivered" : kept.errorClass });
    metrics.webhookSeconds.observe(kept.durationMs / 1_000);
    const waitMs = succeeded ? null : nextWaitMs(number - delivery.scheduleStart, retryAfterMs, random());
    const status = succeeded ? "DELIVERED" : waitMs === null ? "FAILED" : "PENDING";
    const nextAttemptTime = waitMs === null ? null : new Date(now() + waitMs);
    unrecorded.push({
      endpoint,
      record: {
        ...kept,
        deliveryId: delivery.id,
        number,
        scheduleStart: delivery.scheduleStart,
        status,
        nextAttemptTime,
      },
    });
    const before = endpoint.state;
    endpoint.state = succeeded ? HEALTHY : afterFailure(before, now());
    if (!succeeded || before.failures > 0) changed.add(endpoint);
    if (gone) doomed.set(endpoint, "The endpoint answered with status 410: it is gone for good.");
    else if (isGivenUp(endpoint.state, now()))
      doomed.set(endpoint, "Every attempt of the last five days failed.");
    if (doomed.has(endpoint) || endpoint.state.pausedUntil > now()) leave(endpoint);
    record();
  };

  /** Begins nothing more for it; it is released when nothing of it is on its way. */
  const leave = (endpoint: HeldEndpoint): void => {
    endpoint.isLeaving = true;
    for (const { id } of endpoint.waiting.splice(0)) endpoint.inHand.delete(id);
    awaken();
  };

  let recording: Promise<void> | null = null;
  const record = (): void => {
    recording ??= write().finally(() => {
      recording = null;
    });
  };

  const write = async (): Promise<void> => {
    // In a later turn, so that what ends together shares a statement.
    await Promise.resolve();
    while (unrecorded.length > 0 || changed.size > 0 || doomed.size > 0) {
      const batch = unrecorded.slice(0, RECORD_BATCH);
      const states = [...changed].map((endpoint) => ({ endpoint, state: endpoint.state }));
      try {
        const records = batch.map(({ record: attempted }) => attempted);
        if (records.length > 0) await recordAttempts(pool.sql, records, new Date(now()));
        if (states.length > 0)
          await saveEndpointStates(
            pool.sql,
            states.map(({ endpoint: { id, fence }, state }) => ({ id, fence, ...state })),
          );
        // Only then, since what is skipped takes no record any more.
        if (batch.length === unrecorded.length)
          for (const [endpoint, reason] of doomed) await disable(endpoint, reason);
      } catch (error) {
        logger.warn({ error: messageOf(error) }, "attempts of webhooks could not be recorded; they are kept");
        if (over.signal.aborted) return;
        await pause(PAUSE_MS);
        continue;
      }
      unrecorded.splice(0, batch.length);
      for (const {
        endpoint,
        record: { deliveryId },
      } of batch)
        endpoint.inHand.delete(deliveryId);
      for (const { endpoint, state } of states) if (endpoint.state === state) changed.delete(endpoint);
      fill();
    }
  };

  const disable = async (endpoint: HeldEndpoint, reason: string): Promise<void> => {
    await pool.begin(async (tx) => {
      const webhook = await disableWebhook(tx, endpoint, reason);
      if (!webhook) return;
      const time = new Date(now());
      const payload = disabledPayload(endpoint.id, reason, time);
      await insertDisabledEvents(tx, { userId: webhook.userId, exceptId: endpoint.id, payload, now: time });
      await audit.record(tx, systemActor("webhooks"), {
        action: "webhooks.disable",
        resourceType: "webhook",
        resourceId: endpoint.id,
        details: { url: webhook.shownUrl, reason },
      });
    });
    doomed.delete(endpoint);
  };

  /** Takes endpoints that nobody has, as long as there are places. */
  const claim = async (): Promise<void> => {
    const limit = flights.size < PLACES ? MAX_HELD - held.size : 0;
    if (limit <= 0) return;
    const time = now();
    const heldOf = new Map<string, number>();
    for (const { userId } of held.values()) heldOf.set(userId, (heldOf.get(userId) ?? 0) + 1);
    const claimed = await claimEndpoints(pool.sql, {
      now: new Date(time),
      heldUntil: new Date(time + HOLD_MS),
      limit,
      ownerLimit: OWNER_PLACES,
      heldOf,
    });
    for (const endpoint of claimed) {
      try {
        held.set(endpoint.id, holdEndpoint(secrets, endpoint));
      } catch (error) {
        // Held by nobody for 20 s; another process may have the right key.
        logger.error(
          { webhook: endpoint.id, error: messageOf(error) },
          "the secrets of a webhook cannot be read: is SLUICE_MASTER_KEY the one that it was made with?",
        );
      }
    }
  };

  /** Reads what is due for those that have little left. Who has nothing then is let go. */
  const read = async (): Promise<void> => {
    const hungry = [...held.values()].filter((endpoint) => wantOf(endpoint) > 0);
    if (hungry.length === 0) return;
    const wishes = hungry.map(wishOf);
    const found = await dueDeliveries(pool.sql, wishes, new Date(now()));
    const counts = new Map<string, number>();
    for (const { webhookId } of found) counts.set(webhookId, (counts.get(webhookId) ?? 0) + 1);
    for (const [i, endpoint] of hungry.entries())
      endpoint.mayHaveMore = counts.get(endpoint.id) === wishes[i]?.limit;
    for (const delivery of found) {
      const endpoint = held.get(delivery.webhookId);
      if (!endpoint || endpoint.isLeaving || endpoint.inHand.has(delivery.id)) continue;
      endpoint.waiting.push(delivery);
      endpoint.inHand.add(delivery.id);
    }
    for (const endpoint of hungry) if (endpoint.inHand.size === 0) endpoint.isLeaving = true;
  };

  const release = async (): Promise<void> => {
    const gone = [...held.values()].filter(
      (endpoint) =>
        endpoint.isLeaving &&
        endpoint.inFlight === 0 &&
        endpoint.inHand.size === 0 &&
        !changed.has(endpoint) &&
        !doomed.has(endpoint),
    );
    if (gone.length === 0) return;
    await releaseEndpoints(pool.sql, gone);
    for (const { id } of gone) held.delete(id);
  };

  let renewed = performance.now();
  const renew = async (): Promise<void> => {
    if (held.size === 0 || performance.now() - renewed < RENEW_MS) return;
    const kept = await renewEndpoints(pool.sql, [...held.values()], new Date(now() + HOLD_MS));
    renewed = performance.now();
    // Changed by its owner, or another process's by now: nothing more begins here.
    for (const endpoint of held.values()) if (!kept.has(endpoint.id)) leave(endpoint);
  };

  const loop = async (): Promise<void> => {
    while (!stopping) {
      woken = false;
      try {
        await renew();
        await release();
        await claim();
        await read();
        fill();
      } catch (error) {
        logger.warn({ error: messageOf(error) }, "deliveries of webhooks could not be read");
        await pause(PAUSE_MS);
      }
      await pause(LOOK_GAP_MS);
      await rest(LOOK_MS);
    }
  };

  let running: Promise<void> = Promise.resolve();
  let unsubscribe: (() => void)[] = [];
  return {
    async start() {
      // What happens to jobs may be deliveries too.
      unsubscribe = [bus.onAny("events", awaken), bus.onAny("deliveries", awaken)];
      running = loop();
    },
    async stop() {
      stopping = true;
      for (const end of unsubscribe) end();
      awaken();
      await running;
      const timer = setTimeout(() => over.abort(), STOP_MS);
      await Promise.allSettled(flights);
      clearTimeout(timer);
      over.abort();
      await recording;
      await releaseEndpoints(pool.sql, [...held.values()]).catch(() => {});
    },
  };
}
