import { createRemoteJWKSet, customFetch, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import type { Egress } from "../../egress/egress.ts";
import { messageOf } from "../../lib/errors.ts";
import type { OidcIssuer } from "../../lib/oidc-issuers.ts";
import { IssuerUnavailableError } from "../errors.ts";

/** Discovery and keys together. */
const FETCH_MS = 5_000;
const MAX_BYTES = 256 * 1024;
/** Keys of this age are fetched anew beside the call, so that a key that the issuer withdrew is out. */
const REFRESH_MS = 10 * 60_000;
/** Keys of this age are not used any more, whatever keeps the issuer from answering. */
const MAX_AGE_MS = 60 * 60_000;
/** Neither unknown key ids nor an issuer that is down make more fetches than one in this time. */
export const COOLDOWN_MS = 10_000;

export interface IssuerKeysDeps {
  readonly issuer: OidcIssuer;
  readonly egress: Pick<Egress, "call">;
  /** Milliseconds of a clock that never jumps. */
  readonly now: () => number;
  /** Told of each fetch that failed. */
  readonly onFailure: (problem: string) => void;
  readonly cooldownMs?: number | undefined;
}

/**
 * The key of the issuer that a token's header names, from the keys that the issuer publishes; a key that is new there is
 * found at once. The function throws IssuerUnavailableError while the keys cannot be had, and what `jose` throws for a
 * key that is not among them.
 */
export function createIssuerKeys(deps: IssuerKeysDeps): JWTVerifyGetKey {
  const { issuer, egress, now, onFailure, cooldownMs = COOLDOWN_MS } = deps;
  let fetchedAt: number | null = null;
  let failedAt = Number.NEGATIVE_INFINITY;

  const addressOfKeys = async (signal: AbortSignal): Promise<string> => {
    if (issuer.jwksUri !== null) return issuer.jwksUri;
    const address = discoveryUrl(issuer.issuer);
    const document = asObject(await getJson(egress, address, signal));
    // An answer for somebody else's name would hand this issuer's name to whoever gave it.
    if (document.issuer !== issuer.issuer) throw new Error("its discovery document is of another issuer");
    if (typeof document.jwks_uri !== "string") throw new Error("its discovery document has no jwks_uri");
    return document.jwks_uri;
  };

  const fetchKeys = async (signal: AbortSignal): Promise<Response> => {
    if (now() - failedAt < cooldownMs) throw new IssuerUnavailableError(issuer.issuer, cooldownMs);
    try {
      const keys = asKeySet(await getJson(egress, await addressOfKeys(signal), signal));
      fetchedAt = now();
      failedAt = Number.NEGATIVE_INFINITY;
      return Response.json(keys);
    } catch (error) {
      failedAt = now();
      onFailure(signal.aborted ? `it did not answer within ${FETCH_MS} ms` : messageOf(error));
      throw new IssuerUnavailableError(issuer.issuer, cooldownMs, error);
    }
  };

  // Its own address is never called: `fetchKeys` knows better where the keys are.
  const keys = createRemoteJWKSet(new URL(issuer.issuer), {
    timeoutDuration: FETCH_MS,
    cooldownDuration: cooldownMs,
    cacheMaxAge: MAX_AGE_MS,
    [customFetch]: (_, { signal }) => fetchKeys(signal),
  });
  return async (header, token) => {
    if (fetchedAt !== null && now() - fetchedAt >= REFRESH_MS) keys.reload().catch(() => {});
    return await keys(header, token);
  };
}

/** Where an issuer describes itself (OpenID Connect Discovery 1.0, 4). */
export function discoveryUrl(issuer: string): string {
  return `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
}

async function getJson(egress: Pick<Egress, "call">, url: string, signal: AbortSignal): Promise<unknown> {
  const { status, body } = await egress.call({
    url,
    headers: { accept: "application/json", "user-agent": "sluice" },
    idleMs: FETCH_MS,
    signal,
  });
  if (status !== 200) {
    body.destroy();
    throw new Error(`it answered with status ${status}`);
  }
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of body) {
    size += piece.byteLength;
    if (size > MAX_BYTES) throw new Error(`its answer is larger than ${MAX_BYTES} bytes`);
    pieces.push(piece);
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString());
  } catch {
    throw new Error("its answer is not JSON");
  }
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error("its answer is no JSON object");
  }
  return { ...value };
}

function asKeySet(value: unknown): JSONWebKeySet {
  const { keys } = asObject(value);
  const isKey = (key: unknown) => typeof key === "object" && key !== null && !Array.isArray(key);
  if (!Array.isArray(keys) || !keys.every(isKey)) throw new Error("its answer is no set of keys");
  return { keys };
}
