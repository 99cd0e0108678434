import { join, resolve } from "node:path";
import type { z } from "zod";
import { Secret } from "../lib/secret.ts";
import { readSecretFile } from "./secret-files.ts";
import { SECRETS, SETTING_NAMES, SETTINGS } from "./table.ts";

/** Read by clients (command line, SDK) and not by servers. */
const CLIENT_SETTINGS = ["SLUICE_URL", "SLUICE_API_KEY", "SLUICE_API_KEY_FILE"];

const DEFAULT_RATE_PER_ADDRESS = 1_000;

export type Environment = Readonly<Record<string, string | undefined>>;

/** What is to be told of settings, in sentences that show no value. */
export interface Findings {
  readonly faults: string[];
  readonly warnings: string[];
}

/** Every setting as it is in force. */
export type Settings = ReturnType<typeof withDefaults>;

/** Adds the defaults that follow from other settings. */
function withDefaults(set: z.infer<typeof SETTINGS>) {
  // All clients have the address of a proxy that is not named, and could only be limited together.
  const sharesOneAddress = set.SLUICE_BEHIND_PROXY && set.SLUICE_TRUSTED_PROXIES.length === 0;
  return {
    ...set,
    SLUICE_STORAGE_URL: set.SLUICE_STORAGE_URL ?? join(resolve(set.SLUICE_DATA_DIR), "files"),
    SLUICE_RATE_PER_ADDRESS: set.SLUICE_RATE_PER_ADDRESS ?? (sharesOneAddress ? 0 : DEFAULT_RATE_PER_ADDRESS),
  };
}

/** The settings in force, and the texts of those that are set. Of one that is at fault the default stands in. */
export function readSettings(
  environment: Environment,
  findings: Findings,
): { settings: Settings; texts: Readonly<Record<string, string>> } {
  const texts = readTexts(environment, findings);
  const parsed = SETTINGS.safeParse(texts);
  if (parsed.success) return { settings: withDefaults(parsed.data), texts };
  const sound = { ...texts };
  for (const { path, message } of parsed.error.issues) {
    const name = String(path[0]);
    findings.faults.push(`${name}: ${message}`);
    // So that what is wrong between the others is told too.
    delete sound[name];
  }
  return { settings: withDefaults(SETTINGS.parse(sound)), texts };
}

function readTexts(environment: Environment, findings: Findings): Record<string, string> {
  const { faults } = findings;
  const texts: Record<string, string> = {};
  for (const [name, text] of Object.entries(environment)) {
    if (!text) continue;
    if (name in SETTINGS.shape) texts[name] = text;
    else if (name.startsWith("SLUICE_") && !SETTING_NAMES.includes(name) && !CLIENT_SETTINGS.includes(name)) {
      faults.push(`${name}: is no setting of this program; see the table in the README`);
    }
  }
  for (const name of SECRETS) {
    const file = environment[`${name}_FILE`];
    if (!file) continue;
    if (texts[name] !== undefined) faults.push(`${name}: set it or ${name}_FILE, not both`);
    const known = faults.length;
    const text = readSecretFile(`${name}_FILE`, file, findings).trim();
    if (text !== "") texts[name] = text;
    else if (faults.length === known) faults.push(`${name}_FILE: the file is empty`);
  }
  return texts;
}

/** The files that secrets are read from. */
export function secretFilesOf(environment: Environment): string[] {
  return [...SECRETS.map((name) => `${name}_FILE`), "SLUICE_TLS_KEY"].flatMap((name) => {
    const file = environment[name];
    return file ? [resolve(file)] : [];
  });
}

/** A setting as an operator is shown it. */
export interface ShownSetting {
  readonly name: string;
  /** As it would be written in the environment; `[redacted]` for a secret, empty if there is none. */
  readonly value: string;
  readonly origin: "default" | "environment" | "file";
}

export function showSettings(
  { settings, texts }: ReturnType<typeof readSettings>,
  environment: Environment,
): ShownSetting[] {
  const isSecret = (name: string): boolean => (SECRETS as readonly string[]).includes(name);
  return Object.keys(SETTINGS.shape).map((name) => {
    const value = (settings as Readonly<Record<string, unknown>>)[name];
    const isSet = texts[name] !== undefined;
    const text = value === undefined ? "" : String(value);
    return {
      name,
      value: isSet && isSecret(name) ? String(new Secret(text)) : text,
      origin: !isSet ? "default" : environment[name] ? "environment" : "file",
    };
  });
}
