import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { type AddressRange, parsePlaces, parseRange } from "../lib/address-ranges.ts";
import { parseOidcIssuers } from "../lib/oidc-issuers.ts";
import { Secret } from "../lib/secret.ts";
import { readSecretFile } from "./secret-files.ts";
import type { Findings, Settings } from "./settings.ts";

/** Issuers whose tokens are accepted besides our own. */
export function readIssuers(settings: Settings, faults: string[]) {
  const { SLUICE_OIDC_ISSUERS: json, SLUICE_AUTH: auth, SLUICE_PUBLIC_URL: ours } = settings;
  if (json === undefined) return [];
  const parsed = parseOidcIssuers(json, { allowHttp: settings.SLUICE_EGRESS_ALLOW_HTTP });
  for (const fault of parsed.faults) faults.push(`SLUICE_OIDC_ISSUERS: ${fault}`);
  if (auth === "none") faults.push("SLUICE_OIDC_ISSUERS: has no effect with SLUICE_AUTH=none; set only one");
  // Its tokens could not be told from our own.
  if (parsed.issuers.some(({ issuer }) => issuer === ours?.replace(/\/$/, ""))) {
    faults.push("SLUICE_OIDC_ISSUERS: SLUICE_PUBLIC_URL is the issuer of this server itself");
  }
  return parsed.issuers;
}

/** Certificate and key; null without both. */
export function readTls(
  { SLUICE_TLS_CERT: certFile, SLUICE_TLS_KEY: keyFile }: Settings,
  findings: Findings,
): { readonly cert: string; readonly key: Secret<string> } | null {
  if (!certFile || !keyFile) return null;
  const { faults } = findings;
  const known = faults.length;
  let cert = "";
  try {
    cert = readFileSync(certFile, "utf8");
  } catch (error) {
    faults.push(`SLUICE_TLS_CERT: the file cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  const key = readSecretFile("SLUICE_TLS_KEY", keyFile, findings);
  if (faults.length === known && !isPair(cert, key)) {
    faults.push(
      "SLUICE_TLS_CERT and SLUICE_TLS_KEY: the files must hold a certificate and the key that belongs to it, both in PEM, the key without a passphrase",
    );
  }
  return { cert, key: new Secret(key) };
}

/** True if TLS can be spoken with them. What is empty would be left out, and every handshake fail. */
function isPair(cert: string, key: string): boolean {
  try {
    createSecureContext({ cert, key });
    return cert !== "" && key !== "";
  } catch {
    return false;
  }
}

/** Proxies whose word on a client's address is taken. */
export function readProxies(settings: Settings, faults: string[]): AddressRange[] {
  checkList("SLUICE_TRUSTED_PROXIES", settings, faults, {
    isRight: (entry) => (parseRange(entry)?.[1] ?? 0) > 0,
    fault: "is neither an address nor a range, e.g. 10.0.0.0/8; all addresses at once are none to trust",
  });
  return settings.SLUICE_TRUSTED_PROXIES.map(parseRange).filter((range) => range !== null);
}

/** Private places that outgoing calls may reach. */
export function readPlaces(settings: Settings, faults: string[]) {
  const { wrong, ...places } = parsePlaces(settings.SLUICE_EGRESS_ALLOW);
  checkList("SLUICE_EGRESS_ALLOW", settings, faults, {
    isRight: (entry) => !wrong.includes(entry),
    fault: "is neither a range of addresses, e.g. 10.0.0.0/8, nor the name of a host",
  });
  return places;
}

/** Origins of pages. Only whole ones are compared: anything else would never match, or mean more than it says. */
export function readOrigins(settings: Settings, faults: string[]): readonly string[] {
  checkList("SLUICE_CORS_ORIGINS", settings, faults, {
    isRight: (origin) => URL.parse(origin)?.origin === origin && origin !== "null",
    fault: "is not an exact origin such as https://app.example.org; there are no wildcards and no paths",
  });
  return settings.SLUICE_CORS_ORIGINS;
}

/** Tells which entries of a list are at fault by their places, and shows none of them. */
function checkList(
  name: "SLUICE_CORS_ORIGINS" | "SLUICE_TRUSTED_PROXIES" | "SLUICE_EGRESS_ALLOW",
  settings: Settings,
  faults: string[],
  { isRight, fault }: { readonly isRight: (entry: string) => boolean; readonly fault: string },
): void {
  const places = settings[name].flatMap((entry, index) => (isRight(entry) ? [] : [index + 1]));
  if (places.length > 0)
    faults.push(`${name}: what stands at place ${places.join(", ")} of the list ${fault}`);
}
