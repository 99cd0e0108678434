import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv } from "ajv";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runProgram } from "../../../src/cli/program.ts";
import { type Config, loadConfig, SETTING_NAMES } from "../../../src/config.ts";
import { imageEnvironment, preparation, readCompose, readText, type Service } from "./deployment.ts";

const compose = readCompose();
const services = Object.entries(compose.services);
const ours = services.filter(([, { build }]) => build !== undefined);
const verbOf = (service: Service): string => service.command?.[0] ?? "";
const having = (verb: string) => ours.filter(([, service]) => verbOf(service) === verb);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-compose-"));
  execFileSync("sh", ["-euc", preparation()], { cwd: folder });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The service's settings, with its secrets where the preparation has put them. */
function configOf(service: Service): Config {
  const environment = { ...imageEnvironment(), ...service.environment };
  for (const [name, value] of Object.entries(environment)) {
    const secret = /^\/run\/secrets\/(.+)$/.exec(value)?.[1];
    if (secret) environment[name] = join(folder, compose.secrets[secret]?.file ?? "unknown-secret");
  }
  return loadConfig(environment);
}

const seconds = (text = ""): number => Number(/^(\d+)s$/.exec(text)?.[1]);
const bytes = (text = ""): number =>
  Number(/^(\d+)[mg]$/.exec(text)?.[1]) * (text.endsWith("g") ? 1024 ** 3 : 1024 ** 2);

test("the file follows the schema of the Compose specification", () => {
  const { $schema: _, ...schema } = JSON.parse(readText("test/fixtures/deploy/compose-spec.json"));
  const validate = new Ajv({ strict: false, allErrors: true, validateFormats: false }).compile(schema);
  const valid = (document: unknown): boolean => validate(document);
  expect(valid(compose), JSON.stringify(validate.errors)).toBe(true);
  expect(valid({ ...compose, services: { api: { image: "sluice", port: [8080] } } })).toBe(false);
});

test("it starts Postgres, Redis, two servers, two workers and one migration", () => {
  const count = (verb: string): number =>
    having(verb).reduce((sum, [, service]) => sum + (service.deploy?.replicas ?? 1), 0);
  expect({ serve: count("serve"), worker: count("worker"), migrate: count("migrate") }).toEqual({
    serve: 2,
    worker: 2,
    migrate: 1,
  });
  const images = services.filter(([, { build }]) => !build).map(([name, { image }]) => [name, image]);
  expect(images).toEqual([
    ["postgres", "postgres:18"],
    ["redis", "redis:8"],
  ]);
  expect(new Set(ours.map(([, { image, build }]) => `${image} ${build}`)).size).toBe(1);
});

test("the commands at its head make every secret, in a folder that is closed to others", () => {
  const files = Object.values(compose.secrets).map(({ file }) => file.split("/").at(-1));
  expect(readdirSync(join(folder, ".sluice/secrets")).sort()).toEqual(files.sort());
  expect(statSync(join(folder, ".sluice/secrets")).mode & 0o777).toBe(0o700);
  // Compose binds the file as it is, and the container's user is another one than the host's.
  for (const { file } of Object.values(compose.secrets))
    expect(statSync(join(folder, file)).mode & 0o777).toBe(0o444);
  expect(readText(".gitignore")).toContain(".sluice/");
  expect(readText(".dockerignore").split("\n")[1]).toBe("*");
});

describe.each(ours)("%s", (_name, service) => {
  test("has an environment that the program accepts, and nothing in it that the program does not read", () => {
    for (const name of Object.keys(service.environment ?? {})) expect(SETTING_NAMES).toContain(name);
    const { databaseUrl, redisUrls, masterKey, storageUrl, dataDir } = configOf(service);
    const password = readFileSync(
      join(folder, compose.secrets["postgres-password"]?.file ?? ""),
      "utf8",
    ).trim();
    const { POSTGRES_USER: user, POSTGRES_DB: database } = compose.services.postgres?.environment ?? {};
    expect(databaseUrl?.reveal()).toBe(`postgres://${user}:${password}@postgres:5432/${database}`);
    expect(redisUrls?.reveal()).toEqual(["redis://redis:6379"]);
    expect(masterKey).not.toBeNull();
    expect(storageUrl).toBe("file:///files");
    expect(dataDir).toBe("/data");
  });

  test("runs a command line that the program understands", async () => {
    const calls: string[] = [];
    const note = (verb: string) => async (options?: object) => {
      calls.push(`${verb} ${JSON.stringify(options ?? {})}`);
      return 0;
    };
    const code = await runProgram(service.command ?? [], {
      version: "0.0.0",
      settings: () => {
        throw new Error("no client command");
      },
      serve: note("serve"),
      worker: note("worker"),
      migrate: note("migrate"),
      config: note("config"),
      doctor: note("doctor"),
      verifyAuditFile: note("verifyAuditFile"),
      createUser: note("createUser"),
      resetPassword: note("resetPassword"),
      rotateKeys: note("rotateKeys"),
      listKeys: note("listKeys"),
    });
    expect(code).toBe(0);
    expect(calls).toEqual([
      verbOf(service) === "serve"
        ? 'serve {"stages":[],"worker":false,"embedded":false,"migrate":false}'
        : verbOf(service) === "worker"
          ? 'worker {"stages":[]}'
          : `${verbOf(service)} {}`,
    ]);
  });

  test("sees only secrets, volumes and networks that exist, and exactly the secrets it reads", () => {
    const read = Object.values(service.environment ?? {}).flatMap((value) => {
      const name = /^\/run\/secrets\/(.+)$/.exec(value)?.[1];
      return name ? [name] : [];
    });
    expect([...(service.secrets ?? [])].sort()).toEqual(read.sort());
    for (const name of service.secrets ?? []) expect(compose.secrets).toHaveProperty([name]);
    for (const name of service.networks ?? []) expect(compose.networks).toHaveProperty([name]);
    const named = (service.volumes ?? []).filter((volume) => volume.includes(":"));
    for (const volume of named) expect(compose.volumes).toHaveProperty([volume.split(":")[0] ?? ""]);
    // Processes that share one would take each other's working files for leftovers.
    expect(service.volumes).toContain("/data");
  });

  test("has time to stop in good order and bounded memory, processes and restarts", () => {
    expect(service.restart).toMatch(/^(unless-stopped|on-failure:\d+)$/);
    expect(service.deploy?.resources?.limits?.pids).toBeGreaterThan(0);
    const memory = bytes(service.deploy?.resources?.limits?.memory);
    expect(memory).toBeGreaterThan(0);
    if (verbOf(service) === "migrate") return;
    const { graceMs, workerConcurrency, parserMemoryBytes } = configOf(service);
    expect(seconds(service.stop_grace_period) * 1000).toBeGreaterThan(graceMs);
    if (verbOf(service) !== "worker") return;
    expect(memory).toBeGreaterThanOrEqual(workerConcurrency * parserMemoryBytes + 512 * 1024 ** 2);
  });
});

test("nobody starts before the schema is there and what it needs answers", () => {
  for (const [name, service] of [...having("serve"), ...having("worker")]) {
    const conditions = Object.entries(service.depends_on ?? {}).map(
      ([on, { condition }]) => `${on} ${condition}`,
    );
    expect(conditions, name).toEqual([
      "postgres service_healthy",
      "redis service_healthy",
      "migrate service_completed_successfully",
    ]);
  }
  for (const [name, service] of services) {
    for (const [on, { condition }] of Object.entries(service.depends_on ?? {})) {
      const needed = compose.services[on];
      expect(needed, `${name} needs ${on}`).toBeDefined();
      if (condition === "service_healthy") expect(needed?.healthcheck?.test?.length).toBeGreaterThan(1);
    }
  }
});

test("servers are reached on this machine only, each on its own port, under the name that signs their tokens", () => {
  const published = having("serve").flatMap(([, service]) => service.ports ?? []);
  expect(new Set(published).size).toBe(2);
  for (const [, service] of having("serve")) {
    expect(service.ports).toHaveLength(1);
    const [, host, inside] = /^127\.0\.0\.1:(\d+):(\d+)$/.exec(service.ports?.[0] ?? "") ?? [];
    expect(Number(host)).toBeGreaterThan(1023);
    expect(configOf(service)).toMatchObject({ host: "0.0.0.0", port: Number(inside) });
  }
  const names = having("serve").map(([, service]) => configOf(service).publicUrl);
  expect(new Set(names).size).toBe(1);
  expect(published).toContain(`127.0.0.1:${new URL(names[0] ?? "").port}:8080`);
  const others = services.filter(([, service]) => verbOf(service) !== "serve");
  expect(others.flatMap(([, { ports = [] }]) => ports)).toEqual([]);
  for (const [name, { networks }] of others) {
    expect(
      networks?.map((network) => compose.networks[network]?.internal),
      name,
    ).toEqual([true]);
  }
});

test("the first administrator's password is long enough and known to servers only", () => {
  for (const [, service] of having("serve")) {
    expect(configOf(service).adminPassword?.reveal().length).toBeGreaterThanOrEqual(12);
  }
  for (const [, service] of [...having("worker"), ...having("migrate")]) {
    expect(configOf(service).adminPassword).toBeNull();
  }
});
