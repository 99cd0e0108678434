import { type DescField, type DescMessage, type MessageInitShape, ScalarType } from "@bufbuild/protobuf";
import {
  type DeliveryAttemptSchema,
  type DeliverySchema,
  DeliveryStatus as DeliveryStatusMessage,
  type EventTypeSchema,
  WebhookEventSchema,
  type WebhookSchema,
} from "../../gen/sluice/v1/webhooks_pb.ts";
import { durationOf, timestampOf } from "../lib/wire-time.ts";
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
      failingSinceTime: timestampOf(health.failingSince),
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

export function eventTypeToMessage({
  name,
  description,
  example,
}: EventType): MessageInitShape<typeof EventTypeSchema> {
  // As JSON, since a message of fixed fields is no `Struct` by its type.
  return { name, description, example: JSON.parse(JSON.stringify(example)), schema: bodySchema(name) };
}

type Schema = { [key: string]: Json };
type Json = string | number | boolean | null | Json[] | Schema;

/** JSON Schema (2020-12) of a body with this type of event, from its message and the rules of JSON in Protobuf. */
function bodySchema(eventType: string): Schema {
  const subject = eventType.startsWith("job.") ? "job" : "webhook";
  const properties = propertiesOf(WebhookEventSchema);
  delete properties[subject === "job" ? "webhook" : "job"];
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: eventType,
    type: "object",
    properties: { ...properties, type: { const: eventType }, version: { const: "v1" } },
    required: ["type", "version", "time", subject],
  };
}

function propertiesOf(message: DescMessage): Schema {
  return Object.fromEntries(message.fields.map((field) => [field.jsonName, schemaOf(field)]));
}

function schemaOf(field: DescField): Schema {
  if (field.fieldKind === "enum") return { type: "string", enum: field.enum.values.map(({ name }) => name) };
  if (field.fieldKind === "message") {
    if (field.message.typeName === "google.protobuf.Timestamp")
      return { type: "string", format: "date-time" };
    return { type: "object", properties: propertiesOf(field.message) };
  }
  if (field.fieldKind === "scalar" && field.scalar === ScalarType.INT32) return { type: "integer" };
  return { type: "string" };
}
