import { durationMs, timestampDate } from "@bufbuild/protobuf/wkt";
import { type Delivery, DeliveryStatus, DeliveryStatusSchema, type Webhook } from "@sluice/sdk";
import { timeOf } from "./job-text.ts";
import { cleanText, counted, duration, table } from "./text.ts";

/** Characters of an endpoint's answer that are shown. */
const MAX_ANSWER = 500;

export const statusName = (status: DeliveryStatus): string =>
  DeliveryStatusSchema.value[status]?.localName ?? String(status);

/** How a webhook is, in a word or two. */
export function stateOf({ isActive, disabledReason, health }: Webhook, nowMs: number): string {
  if (!isActive) return disabledReason ? "disabled by server" : "disabled";
  const pausedUntil = health?.pausedUntilTime;
  if (pausedUntil && timestampDate(pausedUntil).getTime() > nowMs) return "paused";
  return health?.failingSinceTime ? "failing" : "active";
}

/** Line by line with its heading; what is empty is left out. Not cleaned. */
export function webhookLines(webhook: Webhook, nowMs: number): [heading: string, text: string][] {
  const { health } = webhook;
  const failures = health?.consecutiveFailures ?? 0;
  const waiting = health?.pendingCount ?? 0;
  const lines: [string, string][] = [
    ["Webhook", webhook.id],
    ["URL", webhook.url],
    ["Events", webhook.events.join(", ")],
    ["Description", webhook.description],
    ["Headers", Object.keys(webhook.headers).join(", ")],
    ["Order", webhook.ordered ? "events of a job one after the other" : ""],
    ["State", stateOf(webhook, nowMs)],
    ["Disabled because", webhook.disabledReason],
    [
      "Failing since",
      failures > 0 ? `${timeOf(health?.failingSinceTime)}, ${counted(failures, "attempt")}` : "",
    ],
    ["No attempt before", timeOf(health?.pausedUntilTime)],
    ["Waiting", waiting > 0 ? counted(waiting, "delivery", "deliveries") : ""],
    ["Old secret until", timeOf(webhook.oldSecretExpireTime)],
    ["Version", String(webhook.version)],
    ["Created", timeOf(webhook.createTime)],
    ["Changed", timeOf(webhook.updateTime)],
  ];
  return lines.filter(([, text]) => text !== "");
}

export function webhookTable(webhooks: readonly Webhook[], nowMs: number, columns?: number): string {
  const rows = webhooks.map((webhook) => [
    webhook.id,
    stateOf(webhook, nowMs),
    webhook.events.join(","),
    webhook.url,
    webhook.description,
  ]);
  return table(["ID", "STATE", "EVENTS", "URL", "DESCRIPTION"], rows, columns);
}

export function deliveryTable(deliveries: readonly Delivery[], columns?: number): string {
  const rows = deliveries.map((delivery) => [
    delivery.id,
    timeOf(delivery.createTime),
    statusName(delivery.status),
    delivery.eventType,
    String(delivery.attemptCount),
    delivery.jobId,
    delivery.lastError,
  ]);
  return table(["ID", "CREATED", "STATUS", "EVENT", "ATTEMPTS", "JOB", "LAST ERROR"], rows, columns);
}

/** Line by line with its heading; what is empty is left out. Not cleaned. */
export function deliveryLines(delivery: Delivery): [heading: string, text: string][] {
  const { jobId, sequence } = delivery;
  const lines: [string, string][] = [
    ["Delivery", delivery.id],
    ["Webhook", delivery.webhookId],
    ["Event", delivery.eventType],
    ["Job", jobId && `${jobId}, event ${sequence}`],
    ["Status", statusName(delivery.status)],
    ["Last error", delivery.lastError],
    ["Created", timeOf(delivery.createTime)],
    ["Delivered", timeOf(delivery.deliveredTime)],
    ["Next attempt", delivery.status === DeliveryStatus.PENDING ? timeOf(delivery.nextAttemptTime) : ""],
    ["Payload", delivery.payload],
  ];
  return lines.filter(([, text]) => text !== "");
}

/** The attempts of a delivery as a table, with the beginning of the last answer; empty if there are none. */
export function attemptsText({ attempts }: Delivery, columns?: number): string {
  const last = attempts.at(-1);
  if (!last) return "";
  const rows = attempts.map((attempt) => [
    String(attempt.number),
    timeOf(attempt.startTime),
    attempt.duration ? duration(durationMs(attempt.duration)) : "",
    attempt.httpStatus ? String(attempt.httpStatus) : "none",
    attempt.errorClass || "ok",
    attempt.errorMessage,
  ]);
  const attemptsTable = table(["ATTEMPT", "BEGAN", "TOOK", "HTTP", "RESULT", "ERROR"], rows, columns);
  const answer = cleanText(new TextDecoder().decode(last.responseBody).slice(0, MAX_ANSWER)).trim();
  return answer ? `${attemptsTable}\nAnswer to the last one:\n${answer}\n` : attemptsTable;
}
