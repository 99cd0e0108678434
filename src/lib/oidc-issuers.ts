import { z } from "zod";
import { isLoopback } from "./network.ts";

/** Asymmetric ones only: a shared secret would let everybody who can check tokens make them. */
const ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
] as const;
const MAX_ISSUERS = 20;
const MAX_MAPPED = 500;
const CLAIM_FORM = "must be the name of a claim, or a list of 1 to 5 names that lead to it";

const PLAIN_TEXT =
  "keys would cross the network in plain text, where others can put theirs in; it must be https://…, or on loopback, or set SLUICE_EGRESS_ALLOW_HTTP=true";

/** An OpenID Connect issuer whose access tokens are accepted, as the operator describes it. */
export interface OidcIssuer {
  /** Exactly as it stands in the `iss` of its tokens. */
  readonly issuer: string;
  /** What must be in the `aud` of its tokens. */
  readonly audience: string;
  /** Where its keys are; null = as `<issuer>/.well-known/openid-configuration` says. */
  readonly jwksUri: string | null;
  readonly algorithms: readonly string[];
  /** The claim that roles follow from, as the names on the way to it. */
  readonly claim: readonly string[];
  /** The roles that each value of the claim gives. */
  readonly roles: ReadonlyMap<string, readonly string[]>;
}

/** All roles that the tokens of an issuer can give. */
export function rolesMappedBy({ roles }: Pick<OidcIssuer, "roles">): string[] {
  return [...new Set([...roles.values()].flat())];
}

const text = (max: number) => z.string(`must be a text of 1 to ${max} characters`).min(1).max(max);
const address = (isIssuer: boolean) =>
  z.string("must be an address, https://…").refine(
    (value) => {
      const url = URL.parse(value);
      if (!url || value.length > 2_048 || !/^https?:$/.test(url.protocol)) return false;
      return !url.username && !url.password && !url.hash && !(isIssuer && url.search);
    },
    `must be an address, https://…, without user${isIssuer ? ", ?" : ""} and #`,
  );
const ENTRY = z
  .strictObject({
    issuer: address(true),
    audience: text(256),
    jwks_uri: address(false).optional(),
    algorithms: z
      .array(z.enum(ALGORITHMS, `must be among ${ALGORITHMS.join(", ")}`), "must be a list")
      .min(1, "must not be empty")
      .default(["RS256", "ES256"]),
    claim: z.union([text(256), z.array(text(256)).min(1, CLAIM_FORM).max(5, CLAIM_FORM)], {
      error: CLAIM_FORM,
    }),
    roles: z
      .record(
        text(256),
        z
          .array(text(63), "must be a list of roles")
          .min(1, "must name a role")
          .max(20, "must name at most 20 roles"),
        {
          error: "must be an object with the roles of each value of the claim",
        },
      )
      .refine((map) => Object.keys(map).length > 0, "must map at least one value of the claim")
      .refine((map) => Object.keys(map).length <= MAX_MAPPED, `must map at most ${MAX_MAPPED} values`),
  })
  .transform(
    ({ jwks_uri: jwksUri = null, claim, roles, ...rest }): OidcIssuer => ({
      ...rest,
      jwksUri,
      claim: typeof claim === "string" ? [claim] : claim,
      roles: new Map(Object.entries(roles)),
    }),
  );

/**
 * The issuers of a JSON list, or what is wrong with it: every fault, without the values.
 * @param options.allowHttp keys may come without TLS from elsewhere than this machine
 */
export function parseOidcIssuers(
  json: string,
  { allowHttp }: { readonly allowHttp: boolean },
): {
  readonly issuers: readonly OidcIssuer[];
  readonly faults: readonly string[];
} {
  let list: unknown;
  try {
    list = JSON.parse(json);
  } catch {
    return { issuers: [], faults: ["is not valid JSON"] };
  }
  if (!Array.isArray(list) || list.length === 0 || list.length > MAX_ISSUERS) {
    return { issuers: [], faults: [`must be a JSON list of 1 to ${MAX_ISSUERS} objects`] };
  }
  const faults: string[] = [];
  const issuers: OidcIssuer[] = [];
  for (const [index, entry] of list.entries()) {
    const { data, error } = ENTRY.safeParse(entry);
    if (data && issuers.some(({ issuer }) => issuer === data.issuer)) {
      faults.push(`entry ${index + 1}: its issuer is in the list already`);
    } else if (data) issuers.push(data);
    const addresses = allowHttp || !data ? {} : { issuer: data.issuer, jwks_uri: data.jwksUri };
    for (const [field, value] of Object.entries(addresses)) {
      if (isInPlainText(value)) faults.push(`entry ${index + 1}: ${field}: ${PLAIN_TEXT}`);
    }
    for (const issue of error?.issues ?? []) faults.push(`entry ${index + 1}: ${faultOf(issue)}`);
  }
  return { issuers, faults };
}

function isInPlainText(address: string | null): boolean {
  const url = address === null ? null : new URL(address);
  return url?.protocol === "http:" && !isLoopback(url.hostname);
}

function faultOf({ path, message, ...issue }: z.core.$ZodIssue): string {
  if (issue.code === "unrecognized_keys") {
    const names = issue.keys.map((key) => (/^\w{1,40}$/.test(key) ? key : "…"));
    return `has fields that do not exist: ${names.join(", ")}`;
  }
  // The values of the claim are the operator's, and values are not shown.
  const [field, ...inside] = path.map(String);
  if (field === undefined) return "must be an object";
  return `${field}${field === "roles" && inside.length > 0 ? ", of one of the values" : ""}: ${message}`;
}
