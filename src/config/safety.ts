import { isLoopback } from "../lib/network.ts";
import { isPlaceholder } from "./secret-files.ts";
import type { Settings } from "./settings.ts";

/** Fewer different bytes than random ones have. */
const MIN_DIFFERENT_BYTES = 8;

/** Why a service with these settings would be open to others, or its secrets known. */
export function faultsOfSafety(
  settings: Settings,
  { host, masterKey }: { readonly host: string; readonly masterKey: Uint8Array | null },
): string[] {
  return [
    ...placeholdersIn(settings),
    ...(masterKey && new Set(masterKey).size < MIN_DIFFERENT_BYTES
      ? ["SLUICE_MASTER_KEY: these bytes are not random; make a key with `openssl rand -base64 32`"]
      : []),
    ...openDoorsOf(settings, host),
    ...plainTextOf(settings, host),
  ];
}

/** Settings with what examples have in the place of a secret. */
function placeholdersIn(settings: Settings): string[] {
  const passwordOf = (url: string): string => decodeURIComponent(new URL(url).password);
  const found: [name: string, text: string | undefined][] = [
    ["SLUICE_ADMIN_PASSWORD", settings.SLUICE_ADMIN_PASSWORD],
    ["SLUICE_S3_SECRET_ACCESS_KEY", settings.SLUICE_S3_SECRET_ACCESS_KEY],
    ["DATABASE_URL", settings.DATABASE_URL && passwordOf(settings.DATABASE_URL)],
    ...(settings.REDIS_URL ?? []).map((url): [string, string] => ["REDIS_URL", passwordOf(url)]),
  ];
  return found
    .filter(([, text]) => text && isPlaceholder(text))
    .map(
      ([name]) => `${name}: holds a placeholder or what everybody guesses first; set a secret of your own`,
    );
}

function openDoorsOf(settings: Settings, host: string): string[] {
  const faults: string[] = [];
  if (settings.SLUICE_AUTH !== "none") return faults;
  if (!isLoopback(host)) {
    faults.push(
      "SLUICE_AUTH: none is allowed only on a loopback address; change SLUICE_ADDR or leave it at required",
    );
  }
  if (settings.SLUICE_BEHIND_PROXY || settings.SLUICE_CORS_ORIGINS.length > 0) {
    faults.push(
      "SLUICE_AUTH: none lets in whoever reaches the port, so neither SLUICE_BEHIND_PROXY nor SLUICE_CORS_ORIGINS may open it to others",
    );
  }
  return faults;
}

function plainTextOf(settings: Settings, host: string): string[] {
  const faults: string[] = [];
  const hasTls = settings.SLUICE_TLS_CERT !== undefined && settings.SLUICE_TLS_KEY !== undefined;
  if (!isLoopback(host) && !hasTls && !settings.SLUICE_BEHIND_PROXY) {
    faults.push(
      "SLUICE_ADDR: credentials would cross the network in plain text; set SLUICE_TLS_CERT and SLUICE_TLS_KEY, or SLUICE_BEHIND_PROXY=true when a proxy in front speaks TLS",
    );
  }
  const { SLUICE_PUBLIC_URL: publicUrl } = settings;
  if (publicUrl?.startsWith("http:") && !isLoopback(new URL(publicUrl).hostname)) {
    faults.push(
      "SLUICE_PUBLIC_URL: tokens and links would cross the network in plain text; it must be https://…, or on loopback",
    );
  }
  return faults;
}
