import type { Sql } from "../../db/sql.ts";
import type { Egress } from "../../egress/egress.ts";
import { messageOf } from "../../lib/errors.ts";
import { type OidcIssuer, rolesMappedBy } from "../../lib/oidc-issuers.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { IssuerRefusedError } from "../errors.ts";
import { BUILTIN_ROLES } from "../permissions.ts";
import { findCustomRoles } from "../role-queries.ts";
import { discoveryUrl } from "./issuer-keys.ts";

export interface IssuerCheckDeps {
  readonly issuers: readonly OidcIssuer[];
  readonly sql: Sql;
  readonly egress: Pick<Egress, "check">;
  readonly logger: Pick<Logger, "warn">;
}

/**
 * Refuses issuers that could not be called. A role that nobody has made is most likely misspelt; it gives nothing, so it
 * is only warned of: else whoever deletes a role would keep servers from starting. Nobody is called, so that an issuer
 * that is down keeps none from it either.
 * @throws IssuerRefusedError with every fault
 */
export async function checkIssuers({ issuers, sql, egress, logger }: IssuerCheckDeps): Promise<void> {
  if (issuers.length === 0) return;
  const custom = await findCustomRoles(sql, issuers.flatMap(rolesMappedBy));
  const known = new Set([...BUILTIN_ROLES.keys(), ...custom.map(({ name }) => name)]);
  const faults: string[] = [];
  for (const described of issuers) {
    const { issuer, jwksUri } = described;
    try {
      egress.check(jwksUri ?? discoveryUrl(issuer));
    } catch (error) {
      faults.push(`${issuer}: ${messageOf(error)}`);
    }
    const roles = rolesMappedBy(described).filter((role) => !known.has(role));
    if (roles.length > 0) {
      logger.warn(
        { issuer, roles },
        "SLUICE_OIDC_ISSUERS names roles that do not exist, which give nothing: correct their names, or create them",
      );
    }
  }
  if (faults.length > 0) throw new IssuerRefusedError(faults);
}
