import type { Sql } from "../../db/sql.ts";
import type { Egress } from "../../egress/egress.ts";
import { messageOf } from "../../lib/errors.ts";
import type { OidcIssuer } from "../../lib/oidc-issuers.ts";
import { IssuerRefusedError } from "../errors.ts";
import { BUILTIN_ROLES } from "../permissions.ts";
import { findCustomRoles } from "../role-queries.ts";
import { discoveryUrl } from "./issuer-keys.ts";

export interface IssuerCheckDeps {
  readonly issuers: readonly OidcIssuer[];
  readonly sql: Sql;
  readonly egress: Pick<Egress, "check">;
}

/**
 * Refuses issuers that could not be called, and roles that nobody has made: most likely they are misspelt. It calls
 * nobody, so that an issuer that is down keeps no server from starting.
 * @throws IssuerRefusedError with every fault
 */
export async function checkIssuers({ issuers, sql, egress }: IssuerCheckDeps): Promise<void> {
  if (issuers.length === 0) return;
  const named = [...new Set(issuers.flatMap(({ roles }) => [...roles.values()].flat()))];
  const custom = (await findCustomRoles(sql, named)).map(({ name }) => name);
  const faults: string[] = [];
  for (const { issuer, jwksUri, roles } of issuers) {
    try {
      egress.check(jwksUri ?? discoveryUrl(issuer));
    } catch (error) {
      faults.push(`${issuer}: ${messageOf(error)}`);
    }
    for (const role of new Set([...roles.values()].flat())) {
      if (!BUILTIN_ROLES.has(role) && !custom.includes(role)) {
        faults.push(`${issuer}: there is no role ${role}. Correct its name, or create the role first`);
      }
    }
  }
  if (faults.length > 0) throw new IssuerRefusedError(faults);
}
