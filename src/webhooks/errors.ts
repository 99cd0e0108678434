import { SluiceError } from "../lib/errors.ts";

export class WebhookNotFoundError extends SluiceError {
  override name = "WebhookNotFoundError";
  readonly kind = "not_found";
  readonly reason = "WEBHOOK_NOT_FOUND";
  constructor(id: string) {
    super(
      `No webhook has the id ${id}. ListWebhooks shows those there are.`,
      { webhook: id },
      { resource: { type: "webhook", name: id } },
    );
  }
}

export class DeliveryNotFoundError extends SluiceError {
  override name = "DeliveryNotFoundError";
  readonly kind = "not_found";
  readonly reason = "DELIVERY_NOT_FOUND";
  constructor(id: string) {
    super(
      `No delivery has the id ${id}. ListDeliveries shows those there are; old ones are removed.`,
      { delivery: id },
      { resource: { type: "delivery", name: id } },
    );
  }
}

export class WebhookVersionConflictError extends SluiceError {
  override name = "WebhookVersionConflictError";
  readonly kind = "aborted";
  readonly reason = "VERSION_CONFLICT";
  constructor(id: string, expected: number, actual: number) {
    super(
      `Webhook ${id} is at version ${actual} by now, not ${expected}. Read it again, and make the change on that.`,
      { webhook: id, expected_version: String(expected), version: String(actual) },
    );
  }
}

/** Nothing can be sent to it. */
export class WebhookDisabledError extends SluiceError {
  override name = "WebhookDisabledError";
  readonly kind = "failed_precondition";
  readonly reason = "WEBHOOK_DISABLED";
  constructor(id: string) {
    super(`Webhook ${id} is not active. Make it active with UpdateWebhook first.`, { webhook: id });
  }
}

export class WebhookRequestReusedError extends SluiceError {
  override name = "WebhookRequestReusedError";
  readonly kind = "already_exists";
  readonly reason = "REQUEST_ID_REUSED";
  constructor(requestId: string, webhookId: string) {
    super(
      `The request_id ${requestId} was used for webhook ${webhookId} with other contents. Use a new request_id for a new one.`,
      { request_id: requestId, webhook_id: webhookId },
    );
  }
}

export class TooManyWebhooksError extends SluiceError {
  override name = "TooManyWebhooksError";
  readonly kind = "resource_exhausted";
  readonly reason = "QUOTA_EXCEEDED";
  constructor(limit: number) {
    super(`You have ${limit} webhooks, which is the most there can be. Delete one that is not needed.`, {
      quota: "webhooks",
      limit: String(limit),
    });
  }
}
