import { z } from "zod";

const MIB = 1024 * 1024;
const address = z
  .string()
  .regex(/^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d+$/, {
    error: "must be HOST:PORT, e.g. 127.0.0.1:8080",
    abort: true,
  })
  .refine(
    (text) => Number(text.slice(text.lastIndexOf(":") + 1)) <= 65_535,
    "the port must be at most 65535",
  );
const flag = z
  .enum(["true", "false", "1", "0"], "must be true or false")
  .transform((text) => text === "true" || text === "1");
const number = (min: number, max: number) => {
  const fault = `must be a whole number from ${min} to ${max}`;
  return z.string().regex(/^\d+$/, fault).transform(Number).pipe(z.number().min(min, fault).max(max, fault));
};
const list = z
  .string()
  .transform((text) => text.split(",").map((item) => item.trim()))
  .transform((items) => items.filter((item) => item !== ""));
/** Drivers fail on others with an error that tells nobody what to do. */
const isDecodable = (text: string): boolean => {
  const { username = "", password = "" } = URL.parse(text) ?? {};
  try {
    decodeURIComponent(username + password);
    return true;
  } catch {
    return false;
  }
};
const UNDECODABLE = "user and password must be percent-encoded: a % in them is written %25";
const REDIS_FORM = "must be redis://… or rediss://…, for a cluster several separated by commas";

/** Every setting with its default and bounds, as text that a person has written. */
export const SETTINGS = z.object({
  /** Address and port that the server listens on. */
  SLUICE_ADDR: address.default("127.0.0.1:8080"),
  /** Folder for the embedded database, files, keys and the first password. */
  SLUICE_DATA_DIR: z.string().default("./.sluice"),
  /** Postgres to use; without it one is started in the data folder. */
  DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/, error: "must be postgres://…" })
    .refine(isDecodable, UNDECODABLE)
    .optional(),
  /** Connections of one process to Postgres, for calls and jobs; a few more serve heartbeats and wake-ups. */
  SLUICE_DATABASE_CONNECTIONS: number(2, 500).default(10),
  /** Redis that holds the queue and carries wake-ups: a server, or nodes of a cluster; without it Postgres does both. */
  REDIS_URL: list
    .pipe(
      z
        .array(z.url({ protocol: /^rediss?$/, error: REDIS_FORM }).refine(isDecodable, UNDECODABLE))
        .min(1, REDIS_FORM),
    )
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
    .max(1024, "must have at most 1024 characters")
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
  /** Calls a second of one address, ten seconds' worth of them at once; 0: no limit. See `withDefaults`. */
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
export const SECRETS = [
  "SLUICE_ADMIN_PASSWORD",
  "SLUICE_MASTER_KEY",
  "SLUICE_OIDC_ISSUERS",
  "SLUICE_S3_ACCESS_KEY_ID",
  "SLUICE_S3_SECRET_ACCESS_KEY",
  "DATABASE_URL",
  "REDIS_URL",
] as const;

/** The names of all settings, for documentation and for checks of deployment files. */
export const SETTING_NAMES: readonly string[] = [
  ...Object.keys(SETTINGS.shape),
  ...SECRETS.map((name) => `${name}_FILE`),
];
