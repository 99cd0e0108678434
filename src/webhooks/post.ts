import type { KeyObject } from "node:crypto";
import type { Egress, EgressResponse } from "../egress/egress.ts";
import { EgressDeniedError, EgressFailedError } from "../egress/errors.ts";
import { retryAfterMs } from "../lib/retry-after.ts";
import { beginSignature, signatureOf } from "../lib/standard-webhooks.ts";
import type { Attempt, AttemptErrorClass } from "./model.ts";

/** What is posted, and where. */
export interface Post {
  readonly url: string;
  /** The owner's own. */
  readonly headers: Readonly<Record<string, string>>;
  /** All that sign: during a rotation the new one and the old one. */
  readonly keys: readonly KeyObject[];
  /** The header `webhook-id`: the same for every attempt. */
  readonly id: string;
  readonly body: string;
}

export type Outcome = Omit<Attempt, "number"> & {
  readonly succeeded: boolean;
  /** The endpoint says that it is gone for good. */
  readonly gone: boolean;
  /** How long the endpoint asks to be left alone, if it does. */
  readonly retryAfterMs: number | undefined;
};

/** An attempt, its answer with it. */
const TIMEOUT_MS = 15_000;
const MAX_ANSWER_BYTES = 16 * 1024;
/** An endpoint that has said yes is not waited for much longer. */
const ANSWER_AFTER_SUCCESS_MS = 1_000;
const GONE = 410;

/** One attempt: ends within 15 s, follows no redirect, unpacks nothing, keeps 16 KiB of the answer. Never throws. */
export async function post(
  { url, headers, keys, id, body }: Post,
  deps: { egress: Egress; now: () => number; stop: AbortSignal },
): Promise<Outcome> {
  const startMs = deps.now();
  const started = performance.now();
  const end = new AbortController();
  const cutOff = (): void => end.abort(new CutOffError());
  const timer = setTimeout(cutOff, TIMEOUT_MS);
  deps.stop.addEventListener("abort", cutOff, { once: true });
  const ended = (rest: Partial<Outcome>): Outcome => ({
    startTime: new Date(startMs),
    durationMs: Math.round(performance.now() - started),
    httpStatus: 0,
    errorClass: "",
    errorMessage: "",
    response: new Uint8Array(0),
    succeeded: false,
    gone: false,
    retryAfterMs: undefined,
    ...rest,
  });
  try {
    const timestamp = Math.floor(startMs / 1_000);
    const signature = keys
      .map((key) => signatureOf(beginSignature(key, id, timestamp).update(body)))
      .join(" ");
    const answer = await deps.egress.call({
      url,
      method: "POST",
      headers: {
        ...headers,
        "content-type": "application/json",
        "user-agent": "sluice",
        "webhook-id": id,
        "webhook-timestamp": String(timestamp),
        "webhook-signature": signature,
      },
      body,
      idleMs: TIMEOUT_MS,
      signal: end.signal,
    });
    const { status } = answer;
    const succeeded = status >= 200 && status <= 299;
    const impatience = succeeded ? setTimeout(cutOff, ANSWER_AFTER_SUCCESS_MS) : undefined;
    const response = await firstBytes(answer.body);
    clearTimeout(impatience);
    return ended({
      httpStatus: status,
      response,
      succeeded,
      gone: status === GONE,
      retryAfterMs: retryAfterMs(answer.headers["retry-after"], deps.now()),
      ...(succeeded ? {} : { errorClass: "http", errorMessage: refusalOf(status) }),
    });
  } catch (error) {
    return ended(failureOf(error));
  } finally {
    clearTimeout(timer);
    deps.stop.removeEventListener("abort", cutOff);
  }
}

/** The attempt took too long, or the process ends. */
class CutOffError extends Error {}

/** What came until it broke off, was enough, or took too long. */
async function firstBytes(body: EgressResponse["body"]): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const piece of body) {
      pieces.push(piece.subarray(0, MAX_ANSWER_BYTES - size));
      size += piece.byteLength;
      if (size >= MAX_ANSWER_BYTES) break;
    }
  } catch {
    // The status has said all that counts.
  } finally {
    body.destroy();
  }
  return Buffer.concat(pieces);
}

function refusalOf(status: number): string {
  const said = `It answered with status ${status}`;
  return status >= 300 && status <= 399
    ? `${said}, and redirects are not followed. Update the webhook with the address that it leads to.`
    : `${said}. Its log should tell why.`;
}

function failureOf(error: unknown): { errorClass: AttemptErrorClass; errorMessage: string } {
  if (error instanceof EgressDeniedError) return { errorClass: "egress_denied", errorMessage: error.message };
  if (error instanceof EgressFailedError) {
    const { fault, message } = error;
    return { errorClass: fault === "redirect" ? "protocol" : fault, errorMessage: message };
  }
  if (error instanceof CutOffError)
    return {
      errorClass: "timeout",
      errorMessage: `It was not done within ${TIMEOUT_MS / 1_000} s. Answer first, and work after that.`,
    };
  return { errorClass: "protocol", errorMessage: "The attempt broke off." };
}
