// Nothing is imported here, and only what every JavaScript runtime has is used, so that a receiver needs no gRPC.

/** What a webhook tells; fields and types that this version does not know are kept as they came. */
export interface WebhookPayload {
  readonly type: WebhookEventType;
  /** Of this form, `v1`. */
  readonly version: string;
  /** When it happened, ISO 8601 in UTC. */
  readonly time: string;
  /** Of the types `job.…`. */
  readonly job?: WebhookJob;
  /** Of `webhook.test` and `webhook.disabled`. */
  readonly webhook?: WebhookEndpoint;
}

/** Types of events; a server that is newer may have more. */
export type WebhookEventType =
  | "job.created"
  | "job.started"
  | "job.completed"
  | "job.failed"
  | "job.cancelled"
  | "webhook.test"
  | "webhook.disabled"
  | (string & {});

/** The job that an event is about; `sluice.jobs.get(id)` has the rest. */
export interface WebhookJob {
  readonly id: string;
  /** Of two events of a job, the one with the higher number is the later one, whatever order they arrive in. */
  readonly sequence: number;
  /** Since the event, e.g. `JOB_STATUS_COMPLETED`. */
  readonly status: string;
  /** From 1; 0 = none has begun. */
  readonly attempt: number;
  readonly pipelineName: string;
  readonly pipelineVersion: number;
  /** Why it failed; absent = it did not. */
  readonly errorReason?: string;
  /** The stage in which it failed; absent = none. */
  readonly errorStage?: string;
}

/** The webhook that an event is about. */
export interface WebhookEndpoint {
  readonly id: string;
  /** Why the server disabled it; absent = it did not. */
  readonly reason?: string;
}

/** A call of a webhook whose signature is good. */
export interface VerifiedWebhook {
  /** The id of the delivery: the same for each attempt, so that a receiver can leave out what it had already. */
  readonly id: string;
  /** When this attempt was signed, to the second. */
  readonly signTime: Date;
  readonly event: WebhookPayload;
}

/**
 * Why a call was refused:
 * - `HEADERS_INVALID`: `webhook-id`, `webhook-timestamp` or `webhook-signature` is missing, there twice, or of another form;
 * - `TOO_OLD`, `TOO_NEW`: it was signed longer ago, or further ahead, than is tolerated: a replay, or a clock that is wrong;
 * - `SIGNATURE_MISMATCH`: none of the secrets made any of its signatures, or the body was changed;
 * - `PAYLOAD_INVALID`: the signature is good, and the body is no event.
 */
export type WebhookFault =
  | "HEADERS_INVALID"
  | "TOO_OLD"
  | "TOO_NEW"
  | "SIGNATURE_MISMATCH"
  | "PAYLOAD_INVALID";

/** The call does not come from the server, or not in time. Answer it with 400, and do nothing else. */
export class WebhookVerificationError extends Error {
  override name = "WebhookVerificationError";
  readonly reason: WebhookFault;

  constructor(reason: WebhookFault, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** Headers as `fetch` has them (`Headers`), or as Node has them (`request.headers`). */
export type WebhookHeaders =
  | { get(name: string): string | null }
  | { readonly [name: string]: string | readonly string[] | undefined };

export interface VerifyWebhookOptions {
  /** How far the time of the signature may be from this machine's; 5 minutes unless given. */
  readonly toleranceMs?: number;
  /** Milliseconds since 1970; this machine's time unless given. */
  readonly nowMs?: number;
}

const TOLERANCE_MS = 5 * 60_000;
const SECRET = /^whsec_((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/;
/** The shortest secret that Standard Webhooks knows. */
const MIN_SECRET_BYTES = 24;

/**
 * Verifies a call of a webhook, signed as Standard Webhooks says, and gives what it tells. Works wherever there is
 * WebCrypto: Node, Deno, Bun, workers at the edge.
 * @param body exactly as it came, before anything parses it
 * @param secret `whsec_…` as it was shown when the webhook was created; several during a change of secrets
 * @throws WebhookVerificationError if the call is not to be believed
 * @throws TypeError if the secret is none, or the body is not text or bytes
 */
export async function verifyWebhook(
  headers: WebhookHeaders,
  body: string | Uint8Array | ArrayBuffer,
  secret: string | readonly string[],
  { toleranceMs = TOLERANCE_MS, nowMs = Date.now() }: VerifyWebhookOptions = {},
): Promise<VerifiedWebhook> {
  const keys = (typeof secret === "string" ? [secret] : secret).map(keyOf);
  if (keys.length === 0) throw new TypeError("Give the secret of the webhook, whsec_…");
  const bytes = bytesOf(body);
  // A dot in the id could be taken for the end of it.
  const id = headerOf(headers, "webhook-id", /^[^.\s]{1,256}$/);
  const timestamp = headerOf(headers, "webhook-timestamp", /^\d{1,12}$/);
  const signatures = headerOf(headers, "webhook-signature", /^[\x20-\x7e]+$/);
  const signTime = new Date(Number(timestamp) * 1_000);
  assertInTime(signTime, nowMs, toleranceMs);
  const signed = joined(new TextEncoder().encode(`${id}.${timestamp}.`), bytes);
  const expected = await Promise.all(keys.map((key) => sign(key, signed)));
  let isGood = false;
  for (const given of signatures.split(" "))
    for (const right of expected) if (isSame(given, right)) isGood = true;
  if (!isGood) {
    throw new WebhookVerificationError(
      "SIGNATURE_MISMATCH",
      "The signature is not one of this secret over this body. Is it the secret of this webhook, and the body as it came?",
    );
  }
  return { id, signTime, event: eventOf(bytes) };
}

function keyOf(secret: string): Uint8Array<ArrayBuffer> {
  // An empty variable must not become an empty key, with which anybody can sign.
  const [, base64 = ""] = SECRET.exec(typeof secret === "string" ? secret : "") ?? [];
  const key = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  if (key.length < MIN_SECRET_BYTES)
    throw new TypeError("The secret must be the whole text that begins with whsec_");
  return key;
}

function bytesOf(body: string | Uint8Array | ArrayBuffer): Uint8Array {
  if (typeof body === "string") return new TextEncoder().encode(body);
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
  if (Object.prototype.toString.call(body) === "[object ArrayBuffer]") return new Uint8Array(body);
  throw new TypeError(
    "Give the body as it came, as text or bytes: parsed, its signature cannot be verified.",
  );
}

function headerOf(headers: WebhookHeaders, name: string, form: RegExp): string {
  const values =
    typeof headers.get === "function"
      ? [headers.get(name) ?? undefined]
      : Object.entries(headers).flatMap(([key, value]) => (key.toLowerCase() === name ? value : []));
  const [value] = values;
  if (values.length !== 1 || typeof value !== "string" || !form.test(value)) {
    throw new WebhookVerificationError(
      "HEADERS_INVALID",
      `The header ${name} must be there, once, as Standard Webhooks has it.`,
    );
  }
  return value;
}

function assertInTime(signTime: Date, nowMs: number, toleranceMs: number): void {
  const ageMs = nowMs - signTime.getTime();
  // In this direction, so that what is no number refuses.
  if (Math.abs(ageMs) <= toleranceMs) return;
  const [reason, how] = ageMs < 0 ? (["TOO_NEW", "ahead"] as const) : (["TOO_OLD", "ago"] as const);
  throw new WebhookVerificationError(
    reason,
    `It was signed ${Math.round(Math.abs(ageMs) / 1_000)} s ${how}. If it was sent just now, a clock is wrong.`,
  );
}

function joined(head: Uint8Array, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(head.length + body.length);
  all.set(head);
  all.set(body, head.length);
  return all;
}

async function sign(key: Uint8Array<ArrayBuffer>, data: Uint8Array<ArrayBuffer>): Promise<string> {
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", key, hmac, false, ["sign"]);
  const digest = new Uint8Array(await crypto.subtle.sign("HMAC", imported, data));
  return `v1,${btoa(String.fromCharCode(...digest))}`;
}

/** Takes the same time wherever they differ. */
function isSame(given: string, right: string): boolean {
  if (given.length !== right.length) return false;
  let difference = 0;
  for (let i = 0; i < right.length; i++) difference |= given.charCodeAt(i) ^ right.charCodeAt(i);
  return difference === 0;
}

function eventOf(bytes: Uint8Array): WebhookPayload {
  let event: unknown;
  try {
    event = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    event = null;
  }
  const { type, version, time } = (event ?? {}) as Record<string, unknown>;
  if ([type, version, time].every((field) => typeof field === "string")) return event as WebhookPayload;
  throw new WebhookVerificationError(
    "PAYLOAD_INVALID",
    "It is signed well, and its body is no event of Sluice.",
  );
}
