import { chmodSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  ConfigError,
  clientSettings,
  effectiveSettings,
  loadConfig,
  parseKey,
  SETTING_NAMES,
} from "../../../src/config.ts";
import { DEFAULT_EXTRACT_LIMITS } from "../../../src/extract/extractor.ts";
import { selfSigned } from "../../support/self-signed.ts";

function faultsOf(environment: Record<string, string>): string {
  try {
    loadConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "";
}

async function withFile<T>(content: string, work: (path: string) => T | Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-config-"));
  try {
    const path = join(folder, "secret");
    await writeFile(path, content);
    return await work(path);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("an empty environment is a valid one: loopback, sign-in required, everything in one folder", () => {
  const config = loadConfig({});
  expect(config).toMatchObject({
    host: "127.0.0.1",
    port: 8080,
    auth: "required",
    tls: null,
    databaseUrl: null,
  });
  expect(config.storageUrl.startsWith(config.dataDir)).toBe(true);
  expect(Object.isFrozen(config)).toBe(true);
});

test("without settings documents are read under the limits that the extractors are tested with", () => {
  expect(loadConfig({}).limits).toEqual(DEFAULT_EXTRACT_LIMITS);
});

test("every fault is named at once, and no value is shown", () => {
  const values = {
    SLUICE_ADDR: "nowhere-value",
    DATABASE_URL: "mysql://user:hunter2@db",
    SLUICE_ADMIN_PASSWORD: "hunter2",
    SLUICE_ADMIN_EMAIL: "secret-mail",
    SLUICE_WORKER_CONCURRENCY: "99999",
    SLUICE_LEASE_MS: "soon-value",
    SLUICE_AUTH: "perhaps-value",
    SLUICE_LOG_LEVEL: "loud-value",
    SLUICE_BEHIND_PROXY: "yes-value",
    SLUICE_PUBLIC_URL: "ftp://value",
    SLUICE_WORKERS: "typo-value",
    SLUICE_WORKER_ID: "a value",
  };
  const message = faultsOf(values);
  for (const name of Object.keys(values)) expect(message).toContain(name);
  expect(message).not.toMatch(/value|hunter2|secret-mail|99999/);
});

test("whatever a setting is given, its refusal says what it takes instead, once and in plain words", () => {
  const said: string[] = [];
  for (const name of SETTING_NAMES.filter((setting) => !setting.endsWith("_FILE"))) {
    for (const value of [
      "yes",
      "-1",
      "1e20",
      "9".repeat(30),
      "x".repeat(2_000),
      ",",
      "a:70000",
      "http://%zz@h",
    ])
      said.push(
        ...faultsOf({ [name]: value })
          .split("\n")
          .slice(1),
      );
  }
  expect(said.length).toBeGreaterThan(150);
  expect(said.filter((line) => /invalid|expected|received|too (big|small)/i.test(line))).toEqual([]);
  for (const value of ["-1", "1e20", "1000001", "many"])
    expect(faultsOf({ SLUICE_RATE_PER_USER: value })).toMatch(
      /:\n {2}SLUICE_RATE_PER_USER: must be a whole number from 0 to 1000000$/,
    );
  expect(faultsOf({ SLUICE_BEHIND_PROXY: "yes" })).toMatch(
    /:\n {2}SLUICE_BEHIND_PROXY: must be true or false$/,
  );
});

test("an address whose password cannot be read is refused, since drivers would only say that it is malformed", () => {
  for (const password of ["50%", "%zz", "%ff"]) {
    const message = faultsOf({
      DATABASE_URL: `postgres://u:${password}@h/d`,
      REDIS_URL: `redis://a,redis://:${password}@h`,
    });
    for (const name of ["DATABASE_URL", "REDIS_URL"])
      expect(message).toContain(`${name}: user and password must be percent-encoded`);
    expect(message).not.toContain(password);
  }
});

test("places that outgoing calls may reach are ranges and names, and what is neither is told by its place in the list", () => {
  const { egress } = loadConfig({
    SLUICE_EGRESS_ALLOW: "10.0.0.0/8, Minio.example",
    SLUICE_EGRESS_ALLOW_HTTP: "true",
  });
  expect([egress.ranges.length, [...egress.hosts], egress.allowHttp]).toEqual([1, ["minio.example"], true]);
  const wrong = () => loadConfig({ SLUICE_EGRESS_ALLOW: "10.0.0.0/8,10.0.0.0/99,se cret" });
  expect(wrong).toThrow("SLUICE_EGRESS_ALLOW: what stands at place 2, 3 of the list");
  expect(wrong).not.toThrow(/se cret|99/);
});

test("a worker's name is what names of pods and hosts are made of", () => {
  for (const name of ["worker-0", "sluice_worker.2", "7"]) {
    expect(loadConfig({ SLUICE_WORKER_ID: name }).workerId).toBe(name);
  }
  for (const name of ["-worker", "a b", "a/b", "wörker", "a\nb", "x".repeat(64)]) {
    expect(faultsOf({ SLUICE_WORKER_ID: name })).toContain("SLUICE_WORKER_ID: must have 1 to 63 letters");
  }
  expect(loadConfig({}).workerId).toBeNull();
});

test("a misspelt setting is an error, one of the command line or of another program is not", () => {
  expect(faultsOf({ SLUICE_ADRR: "x" })).toContain("SLUICE_ADRR");
  expect(faultsOf({ SLUICE_URL: "http://x", SLUICE_API_KEY: "k", PATH: "/bin", PGHOST: "h" })).toBe("");
});

test("an empty variable counts as absent", () => {
  expect(loadConfig({ SLUICE_ADDR: "", DATABASE_URL: "", SLUICE_MASTER_KEY_FILE: "" }).port).toBe(8080);
});

test("a secret may stand in a file, not in both places, and a file that is not there is named without its path", async () => {
  await withFile("postgres://u:p@h/db\n", (path) => {
    const { databaseUrl, secretFiles } = loadConfig({ DATABASE_URL_FILE: path });
    expect(databaseUrl?.reveal()).toBe("postgres://u:p@h/db");
    expect(secretFiles).toEqual([path]);
    expect(faultsOf({ DATABASE_URL_FILE: path, DATABASE_URL: "postgres://x" })).toContain(
      "DATABASE_URL_FILE",
    );
  });
  const missing = faultsOf({ SLUICE_MASTER_KEY_FILE: "/nowhere/at/all" });
  expect(missing).toContain("SLUICE_MASTER_KEY_FILE");
  expect(missing).not.toContain("/nowhere");
});

test("a server that lets everybody in answers on loopback only", () => {
  for (const host of ["127.0.0.1", "127.9.9.9", "localhost", "[::1]"]) {
    expect(faultsOf({ SLUICE_AUTH: "none", SLUICE_ADDR: `${host}:1` })).toBe("");
  }
  for (const host of ["0.0.0.0", "[::]", "10.0.0.1", "example.org", "127.0.0.1.example.org"]) {
    const environment = { SLUICE_AUTH: "none", SLUICE_ADDR: `${host}:1`, SLUICE_BEHIND_PROXY: "true" };
    expect(faultsOf(environment)).toContain("SLUICE_AUTH");
  }
});

test("credentials do not cross a network in plain text unless somebody says that a proxy ends TLS", () => {
  expect(faultsOf({ SLUICE_ADDR: "0.0.0.0:80" })).toContain("SLUICE_ADDR");
  expect(faultsOf({ SLUICE_ADDR: "0.0.0.0:80", SLUICE_BEHIND_PROXY: "true" })).toBe("");
  expect(faultsOf({ SLUICE_TLS_CERT: "/cert" })).toContain("SLUICE_TLS_KEY");
  expect(faultsOf({ SLUICE_ADDR: "127.0.0.1:70000" })).toContain("SLUICE_ADDR");
});

test("a certificate and a key that TLS cannot be spoken with are refused before anything is started", async () => {
  const [{ cert, key }, other] = [selfSigned(), selfSigned()];
  const judge = (certificate: string, privateKey: string) =>
    withFile(certificate, (certFile) =>
      withFile(privateKey, (keyFile) => {
        chmodSync(keyFile, 0o600);
        return faultsOf({ SLUICE_TLS_CERT: certFile, SLUICE_TLS_KEY: keyFile });
      }),
    );
  expect(await judge(cert, key)).toBe("");
  for (const [certificate, privateKey] of [
    [cert, other.key],
    [key, cert],
    ["", key],
    [cert, ""],
    ["planted", "planted"],
  ] as const) {
    const message = await judge(certificate, privateKey);
    expect(message).toContain("SLUICE_TLS_CERT and SLUICE_TLS_KEY: the files must hold");
    expect(message).not.toContain("planted");
  }
});

test("a master key has 32 bytes or more in hex or base64, and nothing else is taken for one", () => {
  expect(parseKey("ab".repeat(32))?.length).toBe(32);
  expect(parseKey(Buffer.alloc(32, 9).toString("base64"))).toEqual(Buffer.alloc(32, 9));
  for (const text of ["", "short", "ab".repeat(10), "!".repeat(64)]) expect(parseKey(text)).toBeNull();
  expect(faultsOf({ SLUICE_MASTER_KEY: "my-own-value" })).not.toContain("my-own-value");
});

describe("external issuers", () => {
  const issuer = {
    issuer: "https://login.example.org",
    audience: "sluice",
    claim: "groups",
    roles: { documents: ["developer"] },
  };
  const faults = (entries: unknown, more: Record<string, string> = {}) =>
    faultsOf({ SLUICE_OIDC_ISSUERS: JSON.stringify(entries), ...more });

  test("the example of the README is what the program reads, inline or from a file", async () => {
    const readme = readFileSync(new URL("../../../README.md", import.meta.url), "utf8");
    const [, example = ""] =
      /```json\n([\s\S]*?)```/.exec(readme.split("### External issuers")[1] ?? "") ?? [];
    const { oidcIssuers } = loadConfig({ SLUICE_OIDC_ISSUERS: example });
    expect(oidcIssuers).toMatchObject([
      { jwksUri: null, algorithms: ["RS256", "ES256"], claim: ["realm_access", "roles"] },
      { jwksUri: expect.stringContaining("jwks"), algorithms: ["RS256"], claim: ["sub"] },
    ]);
    expect(oidcIssuers[0]?.roles.get("operations")).toEqual(["operator", "auditor"]);
    await withFile(example, (path) => {
      expect(loadConfig({ SLUICE_OIDC_ISSUERS_FILE: path }).oidcIssuers).toEqual(oidcIssuers);
    });
  });

  test("every fault is told by the place of its entry, without the values", () => {
    expect(faultsOf({ SLUICE_OIDC_ISSUERS: "[{" })).toContain("SLUICE_OIDC_ISSUERS: is not valid JSON");
    for (const list of [{}, [], Array.from({ length: 21 }, () => issuer)])
      expect(faults(list)).toContain("must be a JSON list of 1 to 20 objects");
    const wrong: [change: object, fault: string][] = [
      [{ issuer: "a value" }, "issuer: must be an address"],
      [{ issuer: "https://a.example?value" }, "issuer: must be an address"],
      [{ issuer: "https://value@a.example" }, "issuer: must be an address"],
      [{ issuer: undefined }, "issuer: must be an address"],
      [{ jwks_uri: "file:///value" }, "jwks_uri: must be an address"],
      [{ audience: "" }, "audience: must be a text"],
      [{ audience: undefined }, "audience: must be a text"],
      [{ algorithms: ["HS256"] }, "algorithms: must be among"],
      [{ algorithms: ["none"] }, "algorithms: must be among"],
      [{ algorithms: [] }, "algorithms: must not be empty"],
      [{ claim: [] }, "claim: must be the name of a claim"],
      [{ claim: undefined }, "claim: must be the name of a claim"],
      [{ roles: {} }, "roles: must map at least one value"],
      [{ roles: { value: "developer" } }, "roles, of one of the values: must be a list"],
      [{ roles: { value: [] } }, "roles, of one of the values: must name a role"],
      [{ audiences: ["value"] }, "has fields that do not exist: audiences"],
    ];
    for (const [change, fault] of wrong) {
      const message = faults([issuer, { ...issuer, issuer: "https://b.example", ...change }]);
      expect(message).toContain(`SLUICE_OIDC_ISSUERS: entry 2: ${fault}`);
      expect(message.replaceAll("of the values", "").replace("one value of", "")).not.toMatch(/\bvalue\b/);
    }
    expect(faults([issuer, 7, issuer])).toMatch(/entry 2: must be an object\n.*entry 3: .*already/);
  });

  test("an issuer whose keys would come in plain text is refused, unless that is allowed or stays on this machine", () => {
    const plain = { ...issuer, issuer: "http://login.example.org" };
    const keys = { ...issuer, jwks_uri: "http://10.0.0.1/keys" };
    expect(faults([plain])).toMatch(/entry 1: issuer: .* plain text/);
    expect(faults([keys])).toMatch(/entry 1: jwks_uri: .* plain text/);
    expect(faults([plain, keys], { SLUICE_EGRESS_ALLOW_HTTP: "true" })).not.toContain("plain text");
    for (const host of ["localhost:8080", "127.0.0.1:8080", "[::1]:8080"])
      expect(faults([{ ...issuer, issuer: `http://${host}` }])).toBe("");
    expect(faults([{ ...issuer, issuer: "http://127.0.0.1.example.org" }])).toContain("plain text");
  });

  test("the issuer of the server itself is refused, and so is a list that would have no effect", () => {
    expect(faults([issuer])).toBe("");
    expect(faults([issuer], { SLUICE_PUBLIC_URL: "https://login.example.org/" })).toContain("server itself");
    expect(faults([issuer], { SLUICE_AUTH: "none" })).toContain("has no effect");
  });
});

test("the names of settings include a _FILE for every secret", () => {
  for (const name of ["DATABASE_URL", "REDIS_URL", "SLUICE_ADMIN_PASSWORD", "SLUICE_MASTER_KEY"]) {
    expect(SETTING_NAMES).toEqual(expect.arrayContaining([name, `${name}_FILE`]));
  }
});

test("the command line takes its key from the environment or a file, not from both", async () => {
  await withFile("slk_file\n", (path) => {
    expect(clientSettings({ SLUICE_API_KEY_FILE: path }).apiKey).toBe("slk_file");
    expect(() => clientSettings({ SLUICE_API_KEY_FILE: path, SLUICE_API_KEY: "slk" })).toThrow(ConfigError);
  });
});

test("a secret file that others may write is refused, one that they may read is a warning, and neither shows its path", async () => {
  const modeOf = (mode: number) =>
    withFile("postgres://u:p@h/db\n", (path) => {
      chmodSync(path, mode);
      const faults = faultsOf({ DATABASE_URL_FILE: path });
      const warnings = faults ? [] : loadConfig({ DATABASE_URL_FILE: path }).warnings;
      expect(`${faults} ${warnings}`).not.toContain(path);
      return { isRefused: faults.includes("DATABASE_URL_FILE: other users"), warnings };
    });
  expect(await modeOf(0o600)).toEqual({ isRefused: false, warnings: [] });
  expect(await modeOf(0o640)).toMatchObject({
    isRefused: false,
    warnings: [expect.stringContaining("read")],
  });
  expect((await modeOf(0o604)).warnings).toHaveLength(1);
  expect((await modeOf(0o660)).isRefused).toBe(true);
  expect((await modeOf(0o602)).isRefused).toBe(true);
});

test("an empty secret file is a fault and not a missing setting", async () => {
  await withFile("\n", (path) => {
    chmodSync(path, 0o600);
    expect(faultsOf({ SLUICE_ADMIN_PASSWORD_FILE: path })).toContain("SLUICE_ADMIN_PASSWORD_FILE");
  });
});

test.each([
  ["SLUICE_ADMIN_PASSWORD", "change-me-please"],
  ["SLUICE_ADMIN_PASSWORD", "<your password>"],
  ["SLUICE_ADMIN_PASSWORD", "Password123456"],
  ["SLUICE_ADMIN_PASSWORD", "aaaaaaaaaaaaaa"],
  ["SLUICE_S3_SECRET_ACCESS_KEY", "your-secret-key"],
  ["SLUICE_MASTER_KEY", "00".repeat(32)],
  ["SLUICE_MASTER_KEY", Buffer.alloc(32, 65).toString("base64")],
  ["DATABASE_URL", "postgres://sluice:changeme@db/sluice"],
  ["REDIS_URL", "redis://:password@redis:6379"],
])("%s with a placeholder is refused: %s", (name, value) => {
  const message = faultsOf({
    SLUICE_S3_ACCESS_KEY_ID: "AKIA",
    SLUICE_S3_SECRET_ACCESS_KEY: "wJalrX",
    [name]: value,
  });
  expect(message).toContain(`  ${name}: `);
  expect(message).not.toContain(value);
});

test("what would open the service wider than it looks is refused, all of it at once", () => {
  const message = faultsOf({
    SLUICE_LEASE_MS: "soon",
    SLUICE_AUTH: "none",
    SLUICE_BEHIND_PROXY: "true",
    SLUICE_PUBLIC_URL: "http://sluice.example.org",
    SLUICE_CORS_ORIGINS: "https://app.example.org,*,https://app.example.org/path,null,app.example.org",
    SLUICE_TRUSTED_PROXIES: "10.0.0.0/8,0.0.0.0/0,proxy.example.org,::ffff:0:0/96",
  });
  for (const part of [
    "SLUICE_LEASE_MS: must",
    "SLUICE_AUTH: none",
    "SLUICE_PUBLIC_URL: tokens",
    "SLUICE_CORS_ORIGINS: what stands at place 2, 3, 4, 5 ",
    "SLUICE_TRUSTED_PROXIES: what stands at place 2, 3, 4 ",
  ])
    expect(message).toContain(part);
});

test("rates have generous defaults; behind a proxy that is not named its one address has none", () => {
  expect(loadConfig({}).rates).toEqual({
    perAddress: { perSecond: 1_000, burst: 10_000 },
    perUser: { perSecond: 500, burst: 5_000 },
  });
  expect(loadConfig({ SLUICE_RATE_PER_ADDRESS: "0", SLUICE_RATE_PER_USER: "0" }).rates).toEqual({
    perAddress: null,
    perUser: null,
  });
  const unnamed = loadConfig({ SLUICE_BEHIND_PROXY: "true" });
  expect([unnamed.rates.perAddress, unnamed.warnings]).toEqual([
    null,
    [expect.stringContaining("SLUICE_TRUSTED_PROXIES")],
  ]);
  const named = loadConfig({ SLUICE_BEHIND_PROXY: "true", SLUICE_TRUSTED_PROXIES: "10.0.0.1" });
  expect([named.rates.perAddress?.perSecond, named.warnings]).toEqual([1_000, []]);
});

test("without quotas a user has what there is room for", () => {
  expect(loadConfig({}).quotas).toEqual({ queuedJobs: null, storedBytes: null });
  const set = { SLUICE_MAX_QUEUED_JOBS_PER_USER: "10", SLUICE_MAX_STORED_BYTES_PER_USER: "1000000000000" };
  expect(loadConfig(set).quotas).toEqual({ queuedJobs: 10, storedBytes: 1e12 });
});

test("the settings in force are shown with where they come from, and secrets are not", async () => {
  await withFile("planted-password-9", (path) => {
    chmodSync(path, 0o600);
    const shown = effectiveSettings({
      SLUICE_CORS_ORIGINS: "https://a.example, https://b.example",
      DATABASE_URL: "postgres://u:planted-secret@h/db",
      SLUICE_ADMIN_PASSWORD_FILE: path,
    });
    const of = (name: string) => shown.find((setting) => setting.name === name);
    expect(of("SLUICE_LEASE_MS")).toMatchObject({ value: "30000", origin: "default" });
    expect(of("SLUICE_CORS_ORIGINS")).toMatchObject({ value: "https://a.example,https://b.example" });
    expect(of("DATABASE_URL")).toMatchObject({ value: "[redacted]", origin: "environment" });
    expect(of("SLUICE_ADMIN_PASSWORD")).toMatchObject({ value: "[redacted]", origin: "file" });
    expect(of("SLUICE_MASTER_KEY")).toMatchObject({ value: "", origin: "default" });
    // Defaults that follow from other settings.
    const { storageUrl, rates } = loadConfig({});
    expect(of("SLUICE_STORAGE_URL")).toMatchObject({ value: storageUrl, origin: "default" });
    expect(of("SLUICE_RATE_PER_ADDRESS")).toMatchObject({
      value: String(rates.perAddress?.perSecond),
      origin: "default",
    });
    expect(JSON.stringify(shown)).not.toContain("planted");
  });
  const behindProxy = effectiveSettings({ SLUICE_BEHIND_PROXY: "true" });
  expect(behindProxy).toContainEqual({ name: "SLUICE_RATE_PER_ADDRESS", value: "0", origin: "default" });
  expect(() => effectiveSettings({ SLUICE_LEASE_MS: "soon" })).toThrow(ConfigError);
});
