import { readFileSync } from "node:fs";
import { homedir, hostname } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { readIssuers, readOrigins, readPlaces, readProxies, readTls } from "./config/parts.ts";
import { faultsOfSafety } from "./config/safety.ts";
import {
  type Environment,
  readSettings,
  type ShownSetting,
  secretFilesOf,
  showSettings,
} from "./config/settings.ts";
import { SluiceError } from "./lib/errors.ts";
import { Secret } from "./lib/secret.ts";

export { SETTING_NAMES } from "./config/table.ts";

/** One or more settings are at fault; the message names all of them and never shows a value. */
export class ConfigError extends SluiceError {
  override name = "ConfigError";
  readonly kind = "invalid_argument";
  readonly reason = "CONFIG_INVALID";
  constructor(faults: readonly string[]) {
    super(`The configuration is not valid:\n${[...new Set(faults)].map((fault) => `  ${fault}`).join("\n")}`);
  }
}

/** Seconds' worth of calls that may come at once. */
const BURST_SECONDS = 10;
/** Settings that have no meaning without each other. */
const PAIRS = [
  ["SLUICE_TLS_CERT", "SLUICE_TLS_KEY"],
  ["SLUICE_S3_ACCESS_KEY_ID", "SLUICE_S3_SECRET_ACCESS_KEY"],
] as const;

export type Config = ReturnType<typeof loadConfig>;

/**
 * The environment as one frozen, checked object: the only reader of `process.env`. An empty variable counts
 * as absent; an unknown one that begins with `SLUICE_` is an error, since it is most likely misspelt.
 * @throws ConfigError naming every fault at once
 */
export function loadConfig(environment: Environment = process.env) {
  const faults: string[] = [];
  const warnings: string[] = [];
  const findings = { faults, warnings };
  const { settings } = readSettings(environment, findings);
  const [host, port] = splitAddress(settings.SLUICE_ADDR);
  const dataDir = resolve(settings.SLUICE_DATA_DIR);
  const workerAddress =
    settings.SLUICE_WORKER_ADDR === undefined ? null : splitAddress(settings.SLUICE_WORKER_ADDR);
  for (const [one, other] of PAIRS) {
    if ((settings[one] === undefined) !== (settings[other] === undefined))
      faults.push(`${one} and ${other}: set both or neither`);
  }
  const { SLUICE_S3_ACCESS_KEY_ID: accessKeyId, SLUICE_S3_SECRET_ACCESS_KEY: secretAccessKey } = settings;
  const masterKey = settings.SLUICE_MASTER_KEY === undefined ? null : parseKey(settings.SLUICE_MASTER_KEY);
  if (settings.SLUICE_MASTER_KEY !== undefined && !masterKey) {
    faults.push("SLUICE_MASTER_KEY: must be 32 bytes in hex or base64, e.g. from `openssl rand -base64 32`");
  }
  const tls = readTls(settings, findings);
  const oidcIssuers = readIssuers(settings, faults);
  const trustedProxies = readProxies(settings, faults);
  const { ranges, hosts } = readPlaces(settings, faults);
  const corsOrigins = readOrigins(settings, faults);
  faults.push(...faultsOfSafety(settings, { host, masterKey }));
  const { SLUICE_PUBLIC_URL: publicUrl, SLUICE_BEHIND_PROXY: behindProxy } = settings;
  if (behindProxy && trustedProxies.length === 0) {
    warnings.push(
      "SLUICE_BEHIND_PROXY: all clients have the proxy's address in the audit log and for the throttle of logins; name the proxy in SLUICE_TRUSTED_PROXIES",
    );
  }
  if (faults.length > 0) throw new ConfigError(faults);
  return Object.freeze({
    host: bare(host),
    port,
    tls,
    /** As configured; without it clients reach the server where it listens. */
    publicUrl: publicUrl?.replace(/\/$/, "") ?? null,
    dataDir,
    databaseUrl: settings.DATABASE_URL === undefined ? null : new Secret(settings.DATABASE_URL),
    redisUrls: settings.REDIS_URL === undefined ? null : new Secret(settings.REDIS_URL),
    databaseConnections: settings.SLUICE_DATABASE_CONNECTIONS,
    storageUrl: settings.SLUICE_STORAGE_URL,
    s3Sources: settings.SLUICE_S3_SOURCES,
    s3Credentials: accessKeyId && secretAccessKey ? new Secret({ accessKeyId, secretAccessKey }) : null,
    adminEmail: settings.SLUICE_ADMIN_EMAIL ?? null,
    adminPassword:
      settings.SLUICE_ADMIN_PASSWORD === undefined ? null : new Secret(settings.SLUICE_ADMIN_PASSWORD),
    masterKey: masterKey && new Secret(masterKey),
    /** The files that secrets were read from. */
    secretFiles: secretFilesOf(environment),
    workerAddress: workerAddress && { host: bare(workerAddress[0]), port: workerAddress[1] },
    workerId: settings.SLUICE_WORKER_ID ?? null,
    workerConcurrency: settings.SLUICE_WORKER_CONCURRENCY,
    leaseMs: settings.SLUICE_LEASE_MS,
    graceMs: settings.SLUICE_GRACE_MS,
    retentionMs: settings.SLUICE_RETENTION_DAYS === 0 ? null : settings.SLUICE_RETENTION_DAYS * 86_400_000,
    auditRetentionDays: settings.SLUICE_AUDIT_RETENTION_DAYS || null,
    /** Bounds on what is read of one document. */
    limits: {
      maxInputBytes: settings.SLUICE_MAX_DOCUMENT_BYTES,
      maxPages: settings.SLUICE_MAX_PAGES,
      maxInflatedBytes: settings.SLUICE_MAX_INFLATED_BYTES,
      maxInflationRatio: settings.SLUICE_MAX_INFLATION_RATIO,
      maxDepth: settings.SLUICE_MAX_NESTING,
      maxMembers: settings.SLUICE_MAX_MEMBERS,
      maxOutputCharacters: settings.SLUICE_MAX_OUTPUT_CHARACTERS,
      maxImagePixels: settings.SLUICE_MAX_IMAGE_PIXELS,
    },
    parserSilenceMs: settings.SLUICE_PARSER_SILENCE_MS,
    parserMemoryBytes: settings.SLUICE_PARSER_MEMORY_BYTES,
    auditSpillBytes: settings.SLUICE_AUDIT_SPILL_BYTES,
    /** What outgoing calls may reach beyond public https addresses. */
    egress: { ranges, hosts, allowHttp: settings.SLUICE_EGRESS_ALLOW_HTTP },
    auth: settings.SLUICE_AUTH,
    oidcIssuers,
    signingKeyMs:
      settings.SLUICE_SIGNING_KEY_DAYS === 0 ? null : settings.SLUICE_SIGNING_KEY_DAYS * 86_400_000,
    corsOrigins,
    trustedProxies,
    rates: {
      perAddress: rateOf(settings.SLUICE_RATE_PER_ADDRESS),
      perUser: rateOf(settings.SLUICE_RATE_PER_USER),
    },
    /** Bounds on what one user may have; null: none. */
    quotas: {
      queuedJobs: settings.SLUICE_MAX_QUEUED_JOBS_PER_USER || null,
      storedBytes: settings.SLUICE_MAX_STORED_BYTES_PER_USER || null,
    },
    /** What is unwise and no reason not to start, in sentences. */
    warnings,
    logLevel: settings.SLUICE_LOG_LEVEL,
    hostname: hostname(),
    path: environment.PATH ?? "",
  });
}

/** Every setting as it is in force, to be shown to an operator. @throws ConfigError like `loadConfig` */
export function effectiveSettings(environment: Environment = process.env): ShownSetting[] {
  loadConfig(environment);
  return showSettings(readSettings(environment, { faults: [], warnings: [] }), environment);
}

function rateOf(perSecond: number) {
  return perSecond === 0 ? null : { perSecond, burst: perSecond * BURST_SECONDS };
}

/** 32 bytes or more, written in hex or base64; null if `text` is not that. */
export function parseKey(text: string): Buffer | null {
  const hex = /^(?:[0-9a-f]{2}){32,}$/i.test(text);
  if (!hex && !/^[A-Za-z0-9+/_-]{43,}={0,2}$/.test(text)) return null;
  return Buffer.from(text, hex ? "hex" : "base64");
}

function splitAddress(address: string): [host: string, port: number] {
  const colon = address.lastIndexOf(":");
  return [address.slice(0, colon), Number(address.slice(colon + 1))];
}

/** An IPv6 address without the brackets that tell it from its port. */
function bare(host: string): string {
  return host.replace(/^\[|\]$/g, "");
}

export interface ClientSettings {
  /** Server to call, if one is named. */
  readonly url?: string;
  readonly apiKey?: string;
  /** Data folder of a server on this machine. */
  readonly dataDir: string;
  /** Where `sluice login` keeps what it got. */
  readonly configDir: string;
  /** True when colours and progress bars are not wanted. */
  readonly plain: boolean;
}

/** What the command line needs to find and enter a server. @throws ConfigError */
export function clientSettings(environment: Environment = process.env): ClientSettings {
  const { SLUICE_URL: url, SLUICE_API_KEY: apiKey, SLUICE_API_KEY_FILE: keyFile } = environment;
  const home = environment.XDG_CONFIG_HOME;
  let key = apiKey;
  if (keyFile) {
    if (apiKey) throw new ConfigError(["SLUICE_API_KEY: set it or SLUICE_API_KEY_FILE, not both"]);
    try {
      key = readFileSync(keyFile, "utf8").trim();
    } catch (error) {
      throw new ConfigError([
        `SLUICE_API_KEY_FILE: the file cannot be read (${(error as NodeJS.ErrnoException).code})`,
      ]);
    }
  }
  return {
    ...(url ? { url } : {}),
    ...(key ? { apiKey: key } : {}),
    dataDir: resolve(environment.SLUICE_DATA_DIR || "./.sluice"),
    configDir: join(home && isAbsolute(home) ? home : join(homedir(), ".config"), "sluice"),
    plain: Boolean(environment.NO_COLOR) || environment.TERM === "dumb",
  };
}
