import { readFileSync } from "node:fs";
import { homedir, hostname } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { z } from "zod";
import { type AddressRange, parsePlaces, parseRange } from "./lib/address-ranges.ts";
import { SluiceError } from "./lib/errors.ts";
import { isLoopback } from "./lib/network.ts";
import { parseOidcIssuers } from "./lib/oidc-issuers.ts";
import { Secret } from "./lib/secret.ts";
import { isPlaceholder, readSecretFile } from "./secret-files.ts";

/** One or more settings are at fault; the message names all of them and never shows a value. */
export class ConfigError extends SluiceError {
  override name = "ConfigError";
  readonly kind = "invalid_argument";
  readonly reason = "CONFIG_INVALID";
  constructor(faults: readonly string[]) {
    super(`The configuration is not valid:\n${faults.map((fault) => `  ${fault}`).join("\n")}`);
  }
}

const MIB = 1024 * 1024;
const address = z
  .string()
  .regex(/^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$/, "must be HOST:PORT, e.g. 127.0.0.1:8080");
const flag = z.enum(["true", "false", "1", "0"]).transform((text) => text === "true" || text === "1");
const number = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, "must be a whole number")
    .transform(Number)
    .pipe(z.number().min(min, `must be at least ${min}`).max(max, `must be at most ${max}`));
const list = z
  .string()
  .transform((text) => text.split(",").map((item) => item.trim()))
  .transform((items) => items.filter((item) => item !== ""));
const REDIS_FORM = "must be redis://… or rediss://…, for a cluster several separated by commas";

const SETTINGS = z.object({
  /** Address and port that the server listens on. */
  SLUICE_ADDR: address.default("127.0.0.1:8080"),
  /** Folder for the embedded database, files, keys and the first password. */
  SLUICE_DATA_DIR: z.string().min(1).default("./.sluice"),
  /** Postgres to use; without it one is started in the data folder. */
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/, error: "must be postgres://…" }).optional(),
  /** Connections of one process to Postgres, for calls and jobs; a few more serve heartbeats and wake-ups. */
  SLUICE_DATABASE_CONNECTIONS: number(2, 500).default(10),
  /** Redis that holds the queue and carries wake-ups: a server, or nodes of a cluster; without it Postgres does both. */
  REDIS_URL: list
    .pipe(z.array(z.url({ protocol: /^rediss?$/, error: REDIS_FORM })).min(1, REDIS_FORM))
    .optional(),
  /** Where documents and large results lie, a folder or a bucket; without it the folder `files` in the data folder. */
  SLUICE_STORAGE_URL: z.string().optional(),
  /** Key for buckets; without it Amazon's usual places are looked into. */
  SLUICE_S3_ACCESS_KEY_ID: z.string().optional(),
  SLUICE_S3_SECRET_ACCESS_KEY: z.string().optional(),
  /** Buckets and prefixes in them that documents may be fetched from, in the form of the storage's address. */
  SLUICE_S3_SOURCES: list.default([]),
  /** The first administrator, used only while there are no users. */
  SLUICE_ADMIN_EMAIL: z.email("must be an e-mail address").optional(),
  SLUICE_ADMIN_PASSWORD: z
    .string()
    .min(12, "must have at least 12 characters")
    .max(1024)
    .refine((text) => new Set(text).size > 4, "must have more than four different characters")
    .optional(),
  /** 32 bytes in base64 or hex that encrypt keys and passwords in the database; without it a file in the data folder. */
  SLUICE_MASTER_KEY: z.string().optional(),
  /** Name of the worker, unlike that of any other that runs; without it a new one at each start. */
  SLUICE_WORKER_ID: z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
      "must have 1 to 63 letters, digits, dots, hyphens and underscores, and begin with a letter or digit",
    )
    .optional(),
  /** Jobs that a worker process runs at once. */
  SLUICE_WORKER_CONCURRENCY: number(1, 256).default(2),
  /** Where a worker process answers `/health` and `/metrics`, without credentials; without it, nowhere. */
  SLUICE_WORKER_ADDR: address.optional(),
  /** How long a worker may hold a job without a heartbeat, in milliseconds. */
  SLUICE_LEASE_MS: number(1_000, 600_000).default(30_000),
  /** How long running jobs and calls may go on after SIGTERM, in milliseconds. */
  SLUICE_GRACE_MS: number(0, 3_600_000).default(20_000),
  /** How long jobs with their results, and uploads that no job uses, are kept, in days; 0: until they are deleted. */
  SLUICE_RETENTION_DAYS: number(0, 36_500).default(0),
  /** How long entries of the audit log are kept, in days; they go by whole months. 0: for ever. */
  SLUICE_AUDIT_RETENTION_DAYS: number(0, 36_500).default(365),
  /** Largest document, in bytes. */
  SLUICE_MAX_DOCUMENT_BYTES: number(1, 64 * 1024 * MIB).default(512 * MIB),
  /** Pages, slides and sheets of one document that are read. */
  SLUICE_MAX_PAGES: number(1, 1_000_000).default(10_000),
  /** Bytes that one document may unpack to, with all that is inside it. */
  SLUICE_MAX_INFLATED_BYTES: number(MIB, 64 * 1024 * MIB).default(512 * MIB),
  /** How many times its stored size a document may unpack to. */
  SLUICE_MAX_INFLATION_RATIO: number(1, 1_000_000).default(200),
  /** Levels of elements within each other. The parsers' own stacks end above a thousand. */
  SLUICE_MAX_NESTING: number(1, 1_000).default(200),
  /** Members of an archive, parts of a mail, or documents inside one. */
  SLUICE_MAX_MEMBERS: number(1, 1_000_000).default(10_000),
  /** Characters of text in the output of one document; no string of the runtime holds more than the greatest. */
  SLUICE_MAX_OUTPUT_CHARACTERS: number(1, 500_000_000).default(256 * MIB),
  /** Pixels of one picture that is read by OCR. The recognition has 2 GiB at most, and takes up to 14 bytes for each. */
  SLUICE_MAX_IMAGE_PIXELS: number(1_000_000, 130_000_000).default(40_000_000),
  /** How long a document process may show no progress before it is ended, in milliseconds. */
  SLUICE_PARSER_SILENCE_MS: number(1_000, 3_600_000).default(120_000),
  /** Memory at which a document process is ended, in bytes. */
  SLUICE_PARSER_MEMORY_BYTES: number(256 * MIB, 64 * 1024 * MIB).default(1024 * MIB),
  /** Bytes that rows of the audit log may take in the data folder while the database does not take them. */
  SLUICE_AUDIT_SPILL_BYTES: number(MIB, 64 * 1024 * MIB).default(256 * MIB),
  /** Ranges of addresses and names that outgoing calls may reach although they are private. */
  SLUICE_EGRESS_ALLOW: list.default([]),
  /** Outgoing calls to public addresses may go without TLS. */
  SLUICE_EGRESS_ALLOW_HTTP: flag.default(false),
  /** PEM files; with both the port speaks TLS. */
  SLUICE_TLS_CERT: z.string().optional(),
  SLUICE_TLS_KEY: z.string().optional(),
  /** `none` lets everybody who reaches the port do everything; only on loopback. */
  SLUICE_AUTH: z.enum(["required", "none"], "must be required or none").default("required"),
  /** OpenID Connect issuers whose tokens are accepted: a JSON list, see the README. */
  SLUICE_OIDC_ISSUERS: z.string().optional(),
  /** How long a key signs access tokens before the next one does, in days; 0: until `sluice keys rotate`. */
  SLUICE_SIGNING_KEY_DAYS: number(0, 3_650).default(90),
  /** How clients reach this server; without it the address it listens on. */
  SLUICE_PUBLIC_URL: z.url({ protocol: /^https?$/, error: "must be http://… or https://…" }).optional(),
  /** Origins, exact and separated by commas, whose pages may call from a browser. */
  SLUICE_CORS_ORIGINS: list.default([]),
  /** Says that something in front ends TLS, so that plain HTTP on another address than loopback is meant. */
  SLUICE_BEHIND_PROXY: flag.default(false),
  /** Addresses and ranges of proxies whose `X-Forwarded-For` or `Forwarded` tells the client's address. */
  SLUICE_TRUSTED_PROXIES: list.default([]),
  /** Calls a second of one address, ten seconds' worth of them at once; 0: no limit. See `perAddressOf`. */
  SLUICE_RATE_PER_ADDRESS: number(0, 1_000_000).optional(),
  /** Calls a second of one user with all credentials together, ten seconds' worth of them at once; 0: no limit. */
  SLUICE_RATE_PER_USER: number(0, 1_000_000).default(500),
  /** Jobs of one user that may wait to run; 0: no limit. */
  SLUICE_MAX_QUEUED_JOBS_PER_USER: number(0, 1_000_000_000).default(0),
  /** Bytes of documents and results that one user may have stored; 0: no limit. */
  SLUICE_MAX_STORED_BYTES_PER_USER: number(0, Number.MAX_SAFE_INTEGER).default(0),
  /** `auto` is `info`, and `warn` when the log goes to a terminal. */
  SLUICE_LOG_LEVEL: z
    .enum(
      ["auto", "debug", "info", "warn", "error", "silent"],
      "must be auto, debug, info, warn, error or silent",
    )
    .default("auto"),
});

/** Settings that may stand in a file named by `<NAME>_FILE`: secrets, and what is too long for a line. */
const SECRETS = [
  "SLUICE_ADMIN_PASSWORD",
  "SLUICE_MASTER_KEY",
  "SLUICE_OIDC_ISSUERS",
  "SLUICE_S3_ACCESS_KEY_ID",
  "SLUICE_S3_SECRET_ACCESS_KEY",
  "DATABASE_URL",
  "REDIS_URL",
] as const;

const DEFAULT_RATE_PER_ADDRESS = 1_000;
/** Seconds' worth of calls that may come at once. */
const BURST_SECONDS = 10;
/** Fewer different bytes than random ones have. */
const MIN_DIFFERENT_BYTES = 8;

/** The names of all settings, for documentation and for checks of deployment files. */
export const SETTING_NAMES: readonly string[] = [
  ...Object.keys(SETTINGS.shape),
  ...SECRETS.map((name) => `${name}_FILE`),
];

export type Config = ReturnType<typeof loadConfig>;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The environment as one frozen, checked object: the only reader of `process.env`. An empty variable counts
 * as absent; an unknown one that begins with `SLUICE_` is an error, since it is most likely misspelt.
 * @throws ConfigError naming every fault at once
 */
export function loadConfig(environment: Environment = process.env) {
  const faults: string[] = [];
  const warnings: string[] = [];
  const values = readValues(environment, { faults, warnings });
  const parsed = SETTINGS.safeParse(values);
  for (const { path, message } of parsed.error?.issues ?? []) {
    const name = String(path[0]);
    faults.push(`${name}: ${message}`);
    // So that what is wrong between the others is told too.
    delete values[name];
  }
  const data = parsed.success ? parsed.data : SETTINGS.parse(values);
  const [host, port] = splitAddress(data.SLUICE_ADDR);
  const dataDir = resolve(data.SLUICE_DATA_DIR);
  const workerAddress = data.SLUICE_WORKER_ADDR === undefined ? null : splitAddress(data.SLUICE_WORKER_ADDR);
  if (port > 65_535) faults.push("SLUICE_ADDR: the port must be at most 65535");
  if (workerAddress && workerAddress[1] > 65_535)
    faults.push("SLUICE_WORKER_ADDR: the port must be at most 65535");
  if ((data.SLUICE_TLS_CERT === undefined) !== (data.SLUICE_TLS_KEY === undefined)) {
    faults.push("SLUICE_TLS_CERT and SLUICE_TLS_KEY: set both or neither");
  }
  const { SLUICE_S3_ACCESS_KEY_ID: accessKeyId, SLUICE_S3_SECRET_ACCESS_KEY: secretAccessKey } = data;
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) {
    faults.push("SLUICE_S3_ACCESS_KEY_ID and SLUICE_S3_SECRET_ACCESS_KEY: set both or neither");
  }
  const masterKey = data.SLUICE_MASTER_KEY === undefined ? null : parseKey(data.SLUICE_MASTER_KEY);
  if (data.SLUICE_MASTER_KEY !== undefined && !masterKey) {
    faults.push("SLUICE_MASTER_KEY: must be 32 bytes in hex or base64, e.g. from `openssl rand -base64 32`");
  }
  if (masterKey && new Set(masterKey).size < MIN_DIFFERENT_BYTES) {
    faults.push("SLUICE_MASTER_KEY: these bytes are not random; make a key with `openssl rand -base64 32`");
  }
  faults.push(...placeholdersIn(data));
  const tls = readTls(data.SLUICE_TLS_CERT, data.SLUICE_TLS_KEY, { faults, warnings });
  if (data.SLUICE_AUTH === "none" && !isLoopback(host)) {
    faults.push(
      "SLUICE_AUTH: none is allowed only on a loopback address; change SLUICE_ADDR or leave it at required",
    );
  }
  if (!isLoopback(host) && !tls && !data.SLUICE_BEHIND_PROXY) {
    faults.push(
      "SLUICE_ADDR: credentials would cross the network in plain text; set SLUICE_TLS_CERT and SLUICE_TLS_KEY, or SLUICE_BEHIND_PROXY=true when a proxy in front speaks TLS",
    );
  }
  const oidcIssuers = readIssuers(data, faults);
  const { SLUICE_PUBLIC_URL: publicUrl, SLUICE_BEHIND_PROXY: behindProxy } = data;
  if (publicUrl?.startsWith("http:") && !isLoopback(new URL(publicUrl).hostname)) {
    faults.push(
      "SLUICE_PUBLIC_URL: tokens and links would cross the network in plain text; it must be https://…, or on loopback",
    );
  }
  faults.push(...faultsOfOrigins(data.SLUICE_CORS_ORIGINS));
  if (data.SLUICE_AUTH === "none" && (behindProxy || data.SLUICE_CORS_ORIGINS.length > 0)) {
    faults.push(
      "SLUICE_AUTH: none lets in whoever reaches the port, so neither SLUICE_BEHIND_PROXY nor SLUICE_CORS_ORIGINS may open it to others",
    );
  }
  const trustedProxies = parseProxies(data.SLUICE_TRUSTED_PROXIES, faults);
  if (behindProxy && trustedProxies.length === 0) {
    warnings.push(
      "SLUICE_BEHIND_PROXY: all clients have the proxy's address in the audit log and for the throttle of logins; name the proxy in SLUICE_TRUSTED_PROXIES",
    );
  }
  const { ranges, hosts, wrong } = parsePlaces(data.SLUICE_EGRESS_ALLOW);
  if (wrong.length > 0) {
    const places = wrong.map((entry) => data.SLUICE_EGRESS_ALLOW.indexOf(entry) + 1).join(", ");
    faults.push(
      `SLUICE_EGRESS_ALLOW: what stands at place ${places} of the list is neither a range of addresses, e.g. 10.0.0.0/8, nor the name of a host`,
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
    databaseUrl: data.DATABASE_URL === undefined ? null : new Secret(data.DATABASE_URL),
    redisUrls: data.REDIS_URL === undefined ? null : new Secret(data.REDIS_URL),
    databaseConnections: data.SLUICE_DATABASE_CONNECTIONS,
    storageUrl: data.SLUICE_STORAGE_URL ?? join(dataDir, "files"),
    s3Sources: data.SLUICE_S3_SOURCES,
    s3Credentials: accessKeyId && secretAccessKey ? new Secret({ accessKeyId, secretAccessKey }) : null,
    adminEmail: data.SLUICE_ADMIN_EMAIL ?? null,
    adminPassword: data.SLUICE_ADMIN_PASSWORD === undefined ? null : new Secret(data.SLUICE_ADMIN_PASSWORD),
    masterKey: masterKey && new Secret(masterKey),
    /** The files that secrets were read from. */
    secretFiles: secretFilesOf(environment),
    workerAddress: workerAddress && { host: bare(workerAddress[0]), port: workerAddress[1] },
    workerId: data.SLUICE_WORKER_ID ?? null,
    workerConcurrency: data.SLUICE_WORKER_CONCURRENCY,
    leaseMs: data.SLUICE_LEASE_MS,
    graceMs: data.SLUICE_GRACE_MS,
    retentionMs: data.SLUICE_RETENTION_DAYS === 0 ? null : data.SLUICE_RETENTION_DAYS * 86_400_000,
    auditRetentionDays: data.SLUICE_AUDIT_RETENTION_DAYS || null,
    /** Bounds on what is read of one document. */
    limits: {
      maxInputBytes: data.SLUICE_MAX_DOCUMENT_BYTES,
      maxPages: data.SLUICE_MAX_PAGES,
      maxInflatedBytes: data.SLUICE_MAX_INFLATED_BYTES,
      maxInflationRatio: data.SLUICE_MAX_INFLATION_RATIO,
      maxDepth: data.SLUICE_MAX_NESTING,
      maxMembers: data.SLUICE_MAX_MEMBERS,
      maxOutputCharacters: data.SLUICE_MAX_OUTPUT_CHARACTERS,
      maxImagePixels: data.SLUICE_MAX_IMAGE_PIXELS,
    },
    parserSilenceMs: data.SLUICE_PARSER_SILENCE_MS,
    parserMemoryBytes: data.SLUICE_PARSER_MEMORY_BYTES,
    auditSpillBytes: data.SLUICE_AUDIT_SPILL_BYTES,
    /** What outgoing calls may reach beyond public https addresses. */
    egress: { ranges, hosts, allowHttp: data.SLUICE_EGRESS_ALLOW_HTTP },
    auth: data.SLUICE_AUTH,
    oidcIssuers,
    signingKeyMs: data.SLUICE_SIGNING_KEY_DAYS === 0 ? null : data.SLUICE_SIGNING_KEY_DAYS * 86_400_000,
    corsOrigins: data.SLUICE_CORS_ORIGINS,
    trustedProxies,
    rates: {
      perAddress: rateOf(
        perAddressOf(data.SLUICE_RATE_PER_ADDRESS, behindProxy && trustedProxies.length === 0),
      ),
      perUser: rateOf(data.SLUICE_RATE_PER_USER),
    },
    /** Bounds on what one user may have; null: none. */
    quotas: {
      queuedJobs: data.SLUICE_MAX_QUEUED_JOBS_PER_USER || null,
      storedBytes: data.SLUICE_MAX_STORED_BYTES_PER_USER || null,
    },
    /** What is unwise and no reason not to start, in sentences. */
    warnings,
    logLevel: data.SLUICE_LOG_LEVEL,
    hostname: hostname(),
    path: environment.PATH ?? "",
  });
}

/** A setting as it is in force. */
export interface EffectiveSetting {
  readonly name: string;
  /** As it would be written in the environment; `[redacted]` for a secret, empty if there is none. */
  readonly value: string;
  readonly origin: "default" | "environment" | "file";
}

/** Every setting as it is in force, to be shown to an operator. @throws ConfigError like `loadConfig` */
export function effectiveSettings(environment: Environment = process.env): EffectiveSetting[] {
  loadConfig(environment);
  const values = readValues(environment, { faults: [], warnings: [] });
  const isSecret = (name: string): boolean => (SECRETS as readonly string[]).includes(name);
  const parsed: Readonly<Record<string, unknown>> = SETTINGS.parse(values);
  return Object.keys(SETTINGS.shape).map((name) => {
    const value = parsed[name];
    const isSet = values[name] !== undefined;
    const text = value === undefined ? "" : String(value);
    return {
      name,
      value: isSet && isSecret(name) ? String(new Secret(text)) : text,
      origin: !isSet ? "default" : environment[name] ? "environment" : "file",
    };
  });
}

interface Findings {
  readonly faults: string[];
  readonly warnings: string[];
}

function readValues(environment: Environment, findings: Findings): Record<string, string> {
  const { faults } = findings;
  const values: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (!value) continue;
    if (name in SETTINGS.shape) values[name] = value;
    else if (name.startsWith("SLUICE_") && !SETTING_NAMES.includes(name) && !CLIENT_SETTINGS.includes(name)) {
      faults.push(`${name}: is no setting of this program; see the table in the README`);
    }
  }
  for (const name of SECRETS) {
    const file = environment[`${name}_FILE`];
    if (!file) continue;
    if (values[name] !== undefined) faults.push(`${name}: set it or ${name}_FILE, not both`);
    const known = faults.length;
    const text = readSecretFile(`${name}_FILE`, file, findings).trim();
    if (text !== "") values[name] = text;
    else if (faults.length === known) faults.push(`${name}_FILE: the file is empty`);
  }
  return values;
}

function secretFilesOf(environment: Environment): string[] {
  return [...SECRETS.map((name) => `${name}_FILE`), "SLUICE_TLS_KEY"].flatMap((name) => {
    const file = environment[name];
    return file ? [resolve(file)] : [];
  });
}

function readIssuers(data: z.infer<typeof SETTINGS>, faults: string[]) {
  const { SLUICE_OIDC_ISSUERS: json, SLUICE_AUTH: auth, SLUICE_PUBLIC_URL: ours } = data;
  if (json === undefined) return [];
  const parsed = parseOidcIssuers(json, { allowHttp: data.SLUICE_EGRESS_ALLOW_HTTP });
  for (const fault of parsed.faults) faults.push(`SLUICE_OIDC_ISSUERS: ${fault}`);
  if (auth === "none") faults.push("SLUICE_OIDC_ISSUERS: has no effect with SLUICE_AUTH=none; set only one");
  // Its tokens could not be told from our own.
  if (parsed.issuers.some(({ issuer }) => issuer === ours?.replace(/\/$/, ""))) {
    faults.push("SLUICE_OIDC_ISSUERS: SLUICE_PUBLIC_URL is the issuer of this server itself");
  }
  return parsed.issuers;
}

function readTls(certFile: string | undefined, keyFile: string | undefined, findings: Findings) {
  if (!certFile || !keyFile) return null;
  let cert = "";
  try {
    cert = readFileSync(certFile, "utf8");
  } catch (error) {
    findings.faults.push(
      `SLUICE_TLS_CERT: the file cannot be read (${(error as NodeJS.ErrnoException).code})`,
    );
  }
  return { cert, key: new Secret(readSecretFile("SLUICE_TLS_KEY", keyFile, findings)) };
}

/** Settings with what examples have in the place of a secret. */
function placeholdersIn(data: z.infer<typeof SETTINGS>): string[] {
  const passwords = (url: string): string => decodeURIComponent(new URL(url).password);
  const found: [name: string, text: string | undefined][] = [
    ["SLUICE_ADMIN_PASSWORD", data.SLUICE_ADMIN_PASSWORD],
    ["SLUICE_S3_SECRET_ACCESS_KEY", data.SLUICE_S3_SECRET_ACCESS_KEY],
    ["DATABASE_URL", data.DATABASE_URL && passwords(data.DATABASE_URL)],
    ...(data.REDIS_URL ?? []).map((url): [string, string] => ["REDIS_URL", passwords(url)]),
  ];
  return found
    .filter(([, text]) => text && isPlaceholder(text))
    .map(
      ([name]) => `${name}: holds a placeholder or what everybody guesses first; set a secret of your own`,
    );
}

/** Only whole origins are compared, so anything else would never match, or mean more than it says. */
function faultsOfOrigins(origins: readonly string[]): string[] {
  const wrong = origins.filter((origin) => URL.parse(origin)?.origin !== origin || origin === "null");
  if (wrong.length === 0) return [];
  const places = wrong.map((origin) => origins.indexOf(origin) + 1).join(", ");
  return [
    `SLUICE_CORS_ORIGINS: what stands at place ${places} of the list is not an exact origin such as https://app.example.org; there are no wildcards and no paths`,
  ];
}

function parseProxies(entries: readonly string[], faults: string[]): AddressRange[] {
  const ranges = entries.map(parseRange);
  const wrong = ranges.flatMap((range, index) => (range && range[1] > 0 ? [] : [index + 1]));
  if (wrong.length > 0) {
    faults.push(
      `SLUICE_TRUSTED_PROXIES: what stands at place ${wrong.join(", ")} of the list is neither an address nor a range, e.g. 10.0.0.0/8; all addresses at once are none to trust`,
    );
  }
  return ranges.filter((range) => range !== null);
}

/** Behind a proxy that is not named all clients have one address, which then has no limit unless one is set. */
function perAddressOf(set: number | undefined, sharesOneAddress: boolean): number {
  return set ?? (sharesOneAddress ? 0 : DEFAULT_RATE_PER_ADDRESS);
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

/** Read by clients (command line, SDK) and not by servers. */
const CLIENT_SETTINGS = ["SLUICE_URL", "SLUICE_API_KEY", "SLUICE_API_KEY_FILE"];

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
