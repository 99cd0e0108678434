import { errors, jwtVerify, SignJWT } from "jose";
import type { Clock } from "../lib/clock.ts";
import { isUuid, newId } from "../lib/ids.ts";
import { CredentialExpiredError, CredentialInvalidError } from "./errors.ts";
import { ALGORITHM } from "./signing-key-pairs.ts";
import type { SigningKeys } from "./signing-keys.ts";
import { readToken } from "./token-form.ts";

/** RFC 9068: no other kind of JWT passes for an access token. */
const TYPE = "at+jwt";
export const ACCESS_TOKEN_MS = 10 * 60_000;
/** No token that we made lives longer, whatever it says. */
const MAX_LIFETIME_SECONDS = 15 * 60;
/** Tokens whose signature is known to be good, so that it is checked at the first of their calls only. */
const MAX_VERIFIED = 2_000;
/** Clocks of two servers may differ by this much. */
const CLOCK_TOLERANCE_SECONDS = 5;
const MAX_LENGTH = 4096;
const HEADER_NAMES = ["alg", "kid", "typ"];

/** What an access token says. Its roles are for readers; what holds are the user's roles now. */
export interface AccessClaims {
  readonly userId: string;
  readonly sessionId: string;
  readonly tokenVersion: number;
  readonly expireTime: Date;
  /** Of the key that signed it. */
  readonly keyId: string;
}

export interface NewAccessToken {
  readonly userId: string;
  readonly sessionId: string;
  readonly tokenVersion: number;
  readonly roles: readonly string[];
  /** The token does not outlive this. */
  readonly sessionEnd: Date;
}

export interface AccessTokens {
  issue(token: NewAccessToken): Promise<{ readonly text: string; readonly expireTime: Date }>;
  /** @throws CredentialInvalidError, CredentialExpiredError */
  verify(text: string): Promise<AccessClaims>;
  /** Resolves while tokens that this key has signed are good. @throws CredentialInvalidError */
  checkKey(keyId: string): Promise<void>;
}

export interface AccessTokensDeps {
  readonly keys: Pick<SigningKeys, "active" | "find">;
  readonly clock: Clock;
  /** Who issues; the public URL of the installation. */
  readonly issuer: string;
  readonly audience: string;
}

export function createAccessTokens({ keys, clock, issuer, audience }: AccessTokensDeps): AccessTokens {
  // In the order of insertion. Key and expiry are looked at each time: the one may be withdrawn, the other comes.
  const verified = new Map<string, AccessClaims>();

  const keyOf = async (keyId: string): Promise<CryptoKey> => {
    const key = await keys.find(keyId);
    if (!key) throw new CredentialInvalidError();
    return key;
  };

  const isOver = (time: Date): boolean =>
    time.getTime() + CLOCK_TOLERANCE_SECONDS * 1000 <= Math.floor(clock.now() / 1000) * 1000;

  return {
    async issue({ userId, sessionId, tokenVersion, roles, sessionEnd }) {
      const { kid, privateKey } = await keys.active();
      const iat = Math.floor(clock.now() / 1000);
      const exp = Math.min(iat + ACCESS_TOKEN_MS / 1000, Math.floor(sessionEnd.getTime() / 1000));
      const text = await new SignJWT({ sid: sessionId, roles: [...roles], ver: tokenVersion })
        .setProtectedHeader({ alg: ALGORITHM, typ: TYPE, kid })
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject(userId)
        .setJti(newId(clock.now()))
        .setIssuedAt(iat)
        .setExpirationTime(exp)
        .sign(privateKey);
      return { text, expireTime: new Date(exp * 1000) };
    },

    async verify(text) {
      const known = verified.get(text);
      const keyId = known?.keyId ?? keyIdOf(text);
      const key = await keyOf(keyId);
      if (known) {
        if (isOver(known.expireTime)) throw new CredentialExpiredError();
        return known;
      }
      const { payload } = await jwtVerify(text, key, {
        algorithms: [ALGORITHM],
        issuer,
        audience,
        typ: TYPE,
        requiredClaims: ["sub", "sid", "jti", "iat", "exp", "ver"],
        maxTokenAge: MAX_LIFETIME_SECONDS,
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: new Date(clock.now()),
      }).catch((error: unknown) => {
        if (error instanceof errors.JWTExpired) throw new CredentialExpiredError();
        if (error instanceof errors.JOSEError) throw new CredentialInvalidError();
        throw error;
      });
      const claims = { ...claimsOf(payload), keyId };
      verified.set(text, claims);
      const [oldest = ""] = verified.keys();
      if (verified.size > MAX_VERIFIED) verified.delete(oldest);
      return claims;
    },

    async checkKey(keyId) {
      await keyOf(keyId);
    },
  };
}

/** The `kid` of a token whose header is one of ours; such as `jku`, `jwk` or `crit` never are in it. */
function keyIdOf(text: string): string {
  const header = readToken(text, MAX_LENGTH)?.header;
  if (!header) throw new CredentialInvalidError();
  const names = Object.keys(header).sort();
  const ours = names.length === HEADER_NAMES.length && names.every((name, i) => name === HEADER_NAMES[i]);
  if (!ours || header.alg !== ALGORITHM || header.typ !== TYPE) throw new CredentialInvalidError();
  if (typeof header.kid !== "string" || !/^[A-Za-z0-9_-]{43}$/.test(header.kid))
    throw new CredentialInvalidError();
  return header.kid;
}

function claimsOf(payload: Readonly<Record<string, unknown>>): Omit<AccessClaims, "keyId"> {
  const { sub, sid, jti, iat, exp, ver } = payload;
  const valid =
    isId(sub) &&
    isId(sid) &&
    typeof jti === "string" &&
    Number.isSafeInteger(iat) &&
    Number.isSafeInteger(exp) &&
    Number.isSafeInteger(ver) &&
    (exp as number) > (iat as number) &&
    (exp as number) - (iat as number) <= MAX_LIFETIME_SECONDS;
  if (!valid) throw new CredentialInvalidError();
  return {
    userId: sub as string,
    sessionId: sid as string,
    tokenVersion: ver as number,
    expireTime: new Date((exp as number) * 1000),
  };
}

function isId(value: unknown): value is string {
  return typeof value === "string" && isUuid(value);
}
