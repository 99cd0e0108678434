import type { OidcIssuer } from "../../lib/oidc-issuers.ts";

export type ClaimSet = Readonly<Record<string, unknown>>;

const MAX_NAME = 100;

/** The roles that the claims give, sorted; only such as the operator has written down. */
export function rolesOf(claims: ClaimSet, { claim, roles }: Pick<OidcIssuer, "claim" | "roles">): string[] {
  let value: unknown = claims;
  for (const name of claim) {
    const inside = typeof value === "object" && value !== null && Object.hasOwn(value, name);
    value = inside ? (value as ClaimSet)[name] : undefined;
  }
  const values = Array.isArray(value) ? value : [value];
  const given = values.flatMap((each) => (typeof each === "string" ? (roles.get(each) ?? []) : []));
  return [...new Set(given)].sort();
}

/** What to call somebody, for people: nothing is decided by it. */
export function displayNameOf(claims: ClaimSet): string {
  const said = (name: string): string => {
    const value = claims[name];
    return typeof value === "string" ? value.replace(/[\s\p{Cc}]+/gu, " ").trim() : "";
  };
  const name = said("name") || said("preferred_username");
  const email = said("email");
  const text = name && email && name !== email ? `${name} <${email}>` : name || email || said("sub");
  return text.slice(0, MAX_NAME).toWellFormed();
}
