import { errors, type JWTVerifyGetKey, jwtVerify } from "jose";
import type { Egress } from "../../egress/egress.ts";
import type { Clock } from "../../lib/clock.ts";
import type { OidcIssuer } from "../../lib/oidc-issuers.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { CredentialExpiredError, CredentialInvalidError, RolesMissingError } from "../errors.ts";
import { readToken } from "../token-form.ts";
import { type ClaimSet, displayNameOf, rolesOf } from "./claims.ts";
import { createIssuerKeys, type IssuerKeysDeps } from "./issuer-keys.ts";

const MAX_LENGTH = 8 * 1024;
/** Roles of longer ago are not taken, whatever the token says of its end. */
const MAX_LIFETIME_SECONDS = 24 * 60 * 60;
/** The issuer's clock may differ by this much. */
const CLOCK_TOLERANCE_SECONDS = 30;
/** An access token by RFC 9068, or without a type of its own; logout tokens and the like have one. */
const TYPES = new Set([undefined, "jwt", "at+jwt", "application/at+jwt"]);
/** Keys come from the issuer's published ones alone, and no extension is understood. */
const REFUSED_HEADERS = ["jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "cty"];
/** The proof of possession that such a token asks for is not checked here, so it is not for bearers (RFC 7800). */
const REFUSED_CLAIMS = ["cnf"];

/** Whom an external token stands for, and what it gives. */
export interface ExternalIdentity {
  readonly issuer: string;
  /** Unique and never given anew within the issuer; 1 to 255 characters. */
  readonly subject: string;
  /** Sorted, at least one. */
  readonly roles: readonly string[];
  /** For people; whatever the issuer says. */
  readonly displayName: string;
  /** The `jti`; empty if there is none. */
  readonly tokenId: string;
  readonly expireTime: Date;
}

export interface ExternalTokens {
  /**
   * Null for a token that names none of the issuers.
   * @throws CredentialInvalidError, CredentialExpiredError, RolesMissingError, IssuerUnavailableError
   */
  verify(text: string): Promise<ExternalIdentity | null>;
}

export interface ExternalTokensDeps {
  readonly issuers: readonly OidcIssuer[];
  readonly egress: Pick<Egress, "call">;
  readonly clock: Clock;
  readonly now: () => number;
  readonly logger: Pick<Logger, "warn">;
  readonly cooldownMs?: number | undefined;
}

interface KnownIssuer {
  readonly issuer: OidcIssuer;
  readonly keys: JWTVerifyGetKey;
}

/** Tokens of the issuers of the list, and of no other. */
export function createExternalTokens(deps: ExternalTokensDeps): ExternalTokens {
  const { issuers, clock, logger } = deps;
  const known = new Map<unknown, KnownIssuer>(
    issuers.map((issuer) => {
      const onFailure: IssuerKeysDeps["onFailure"] = (problem) =>
        logger.warn({ issuer: issuer.issuer, problem }, "the keys of an issuer could not be fetched");
      return [issuer.issuer, { issuer, keys: createIssuerKeys({ ...deps, issuer, onFailure }) }];
    }),
  );

  return {
    async verify(text) {
      const parts = known.size === 0 ? null : readToken(text, MAX_LENGTH);
      const from = parts && known.get(parts.claims.iss);
      if (!from) return null;
      checkHeader(parts.header);
      const { issuer, keys } = from;
      const { payload } = await jwtVerify(text, keys, {
        algorithms: [...issuer.algorithms],
        issuer: issuer.issuer,
        audience: issuer.audience,
        requiredClaims: ["sub", "iat", "exp"],
        maxTokenAge: MAX_LIFETIME_SECONDS,
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: new Date(clock.now()),
      }).catch((error: unknown) => {
        if (error instanceof errors.JWTExpired) throw new CredentialExpiredError();
        if (error instanceof errors.JOSEError) throw new CredentialInvalidError();
        throw error;
      });
      return identityOf(issuer, payload);
    },
  };
}

function checkHeader(header: Readonly<Record<string, unknown>>): void {
  const { typ, kid } = header;
  const type = typeof typ === "string" ? typ.toLowerCase() : typ;
  const named = typeof kid === "string" && kid !== "";
  if (!named || !TYPES.has(type as string | undefined) || REFUSED_HEADERS.some((name) => name in header)) {
    throw new CredentialInvalidError();
  }
}

function identityOf(issuer: OidcIssuer, claims: ClaimSet): ExternalIdentity {
  const { sub, jti, iat, exp } = claims;
  const lifetime = (exp as number) - (iat as number);
  const valid =
    typeof sub === "string" &&
    /^[\x20-\x7e]{1,255}$/.test(sub) &&
    Number.isSafeInteger(exp) &&
    lifetime > 0 &&
    lifetime <= MAX_LIFETIME_SECONDS &&
    !REFUSED_CLAIMS.some((name) => name in claims);
  if (!valid) throw new CredentialInvalidError();
  const roles = rolesOf(claims, issuer);
  if (roles.length === 0) throw new RolesMissingError(issuer.issuer, issuer.claim.join("."));
  return {
    issuer: issuer.issuer,
    subject: sub,
    roles,
    displayName: displayNameOf(claims),
    tokenId: typeof jti === "string" && /^[\x21-\x7e]{1,64}$/.test(jti) ? jti : "",
    expireTime: new Date((exp as number) * 1000),
  };
}
