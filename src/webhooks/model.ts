export type DeliveryStatus = "PENDING" | "DELIVERED" | "FAILED" | "SKIPPED";

/** A URL that events are posted to, as its owner may see it. */
export interface Webhook {
  readonly id: string;
  readonly userId: string;
  /** Without query. */
  readonly shownUrl: string;
  readonly events: readonly string[];
  readonly description: string;
  readonly headerNames: readonly string[];
  readonly isOrdered: boolean;
  readonly isActive: boolean;
  /** Why the service disabled it; empty if it did not. */
  readonly disabledReason: string;
  readonly version: number;
  readonly createTime: Date;
  readonly updateTime: Date;
  readonly oldSecretExpireTime: Date | null;
  readonly health: EndpointHealth;
}

/** How an endpoint fares. */
export interface EndpointHealth {
  /** Failed attempts since the last one that succeeded. */
  readonly failures: number;
  readonly failingSince: Date | null;
  /** No attempt before; null when nothing holds it back. */
  readonly pausedUntil: Date | null;
}

/** One event on its way to one webhook. */
export interface Delivery {
  readonly id: string;
  readonly webhookId: string;
  readonly eventType: string;
  /** Null when it is about no job. */
  readonly jobId: string | null;
  /** In the log of the job; 0 without one. */
  readonly sequence: number;
  readonly status: DeliveryStatus;
  readonly attempts: number;
  readonly lastError: string;
  readonly createTime: Date;
  readonly deliveredTime: Date | null;
  readonly nextAttemptTime: Date | null;
}

export type AttemptErrorClass = "timeout" | "dns" | "connect" | "tls" | "egress_denied" | "protocol" | "http";

/** One attempt to deliver. */
export interface Attempt {
  /** From 1. */
  readonly number: number;
  readonly startTime: Date;
  readonly durationMs: number;
  /** 0 when no answer came. */
  readonly httpStatus: number;
  /** Empty when it succeeded. */
  readonly errorClass: AttemptErrorClass | "";
  readonly errorMessage: string;
  /** The first bytes of the answer, 16 KiB at most. */
  readonly response: Uint8Array;
}

/** The type of event that tells a webhook's owner that the service disabled another of his. */
export const DISABLED_EVENT = "webhook.disabled";
export const TEST_EVENT = "webhook.test";
