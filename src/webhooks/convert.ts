import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type DeliveryAttemptSchema,
  type DeliverySchema,
  DeliveryStatus as DeliveryStatusMessage,
  type EventTypeSchema,
  type WebhookSchema,
} from "../../gen/sluice/v1/webhooks_pb.ts";
import { durationOf, timestampOf } from "../lib/wire-time.ts";
import { bodySchema } from "./body-schema.ts";
import type { EventType } from "./event-types.ts";
import type { Attempt, Delivery, DeliveryStatus, Webhook } from "./model.ts";

const STATUSES: Record<DeliveryStatus, DeliveryStatusMessage> = {
  PENDING: DeliveryStatusMessage.PENDING,
  DELIVERED: DeliveryStatusMessage.DELIVERED,
  FAILED: DeliveryStatusMessage.FAILED,
  SKIPPED: DeliveryStatusMessage.SKIPPED,
};

/** Null for the unspecified one. */
export function statusFromMessage(status: DeliveryStatusMessage): DeliveryStatus | null {
  const found = Object.entries(STATUSES).find(([, message]) => message === status);
  return found ? (found[0] as DeliveryStatus) : null;
}

export function webhookToMessage(webhook: Webhook, pendingCount = 0): MessageInitShape<typeof WebhookSchema> {
  const { id, shownUrl, description, isActive, disabledReason, version, userId, health } = webhook;
  return {
    id,
    url: shownUrl,
    events: [...webhook.events],
    description,
    headers: Object.fromEntries(webhook.headerNames.map((name) => [name, ""])),
    isActive,
    disabledReason,
    version,
    createdBy: userId,
    createTime: timestampOf(webhook.createTime),
    updateTime: timestampOf(webhook.updateTime),
    oldSecretExpireTime: timestampOf(webhook.oldSecretExpireTime),
    ordered: webhook.isOrdered,
    health: {
      consecutiveFailures: health.failures,
      failingSince: timestampOf(health.failingSince),
      pausedUntilTime: timestampOf(health.pausedUntil),
      pendingCount,
    },
  };
}

/** With what only `GetDelivery` shows, if that is given. */
export function deliveryToMessage(
  delivery: Delivery,
  further: { payload?: string; attempts?: readonly Attempt[] } = {},
): MessageInitShape<typeof DeliverySchema> {
  const { id, webhookId, eventType, jobId, sequence, status, attempts, lastError } = delivery;
  return {
    id,
    webhookId,
    eventType,
    jobId: jobId ?? "",
    sequence: BigInt(sequence),
    status: STATUSES[status],
    attemptCount: attempts,
    lastError,
    createTime: timestampOf(delivery.createTime),
    deliveredTime: timestampOf(delivery.deliveredTime),
    nextAttemptTime: timestampOf(delivery.nextAttemptTime),
    payload: further.payload ?? "",
    attempts: (further.attempts ?? []).map(attemptToMessage),
  };
}

function attemptToMessage(attempt: Attempt): MessageInitShape<typeof DeliveryAttemptSchema> {
  const { number, startTime, durationMs, httpStatus, errorClass, errorMessage, response } = attempt;
  return {
    number,
    startTime: timestampOf(startTime),
    duration: durationOf(durationMs),
    httpStatus,
    errorClass,
    errorMessage,
    responseBody: Uint8Array.from(response),
  };
}

export function eventTypeToMessage({ name, description, example }: EventType): MessageInitShape<
  typeof EventTypeSchema
> {
  // As JSON, since a message of fixed fields is no `Struct` by its type.
  return { name, description, example: JSON.parse(JSON.stringify(example)), schema: bodySchema(name) };
}
