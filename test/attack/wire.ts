import type { Tried } from "./attack.ts";
import type { Target } from "./target.ts";

/** What an attacker sees of an answer. */
export interface Seen {
  readonly status: number;
  /** Of a failed call, as in `unauthenticated`; else `ok`. */
  readonly code: string;
  readonly reason: string;
  readonly text: string;
  readonly headers: Headers;
}

const CALL_MS = 30_000;

/** Calls a method of `sluice.v1` with JSON, as it is. @param method `JobsService/GetJob` */
export async function call(
  { url }: Pick<Target, "url">,
  method: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Seen> {
  const response = await fetch(`${url}/sluice.v1.${method}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" || body instanceof Uint8Array ? (body as BodyInit) : JSON.stringify(body),
    signal: AbortSignal.timeout(CALL_MS),
  });
  const text = await response.text();
  const { code, reason } = parse(text, response.ok);
  return { status: response.status, code, reason, text, headers: response.headers };
}

function parse(text: string, ok: boolean): { code: string; reason: string } {
  if (ok) return { code: "ok", reason: "" };
  try {
    const { code = "unknown", details = [] } = JSON.parse(text) as {
      code?: string;
      details?: { debug?: { reason?: string } }[];
    };
    return { code, reason: details[0]?.debug?.reason ?? "" };
  } catch {
    return { code: "unknown", reason: "" };
  }
}

export const bearer = (token: string): { authorization: string } => ({ authorization: `Bearer ${token}` });

/** In short, for the table. */
export function cameOf({ status, code, reason }: Seen): string {
  return `${status} ${reason || code}`;
}

/** A try that must be answered with one of the codes. */
export async function refused(what: string, calling: Promise<Seen>, ...codes: string[]): Promise<Tried> {
  const seen = await calling.catch((error: Error) => error);
  if (seen instanceof Error) return { what, came: `no answer: ${seen.message}`, held: false };
  return { what, came: cameOf(seen), held: codes.includes(seen.code) };
}

/** A try that shows that the attack would be seen if it went through: what is right is let through. */
export async function served(what: string, calling: Promise<Seen>): Promise<Tried> {
  return await refused(`${what} (right, to compare)`, calling, "ok");
}
