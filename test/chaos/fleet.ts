import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSluice, type Sluice } from "@sluice/sdk";
import { freePort } from "../support/ports.ts";
import { createSite } from "../support/processes.ts";
import { startTestRedis, type TestRedis } from "../support/redis.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { createMember, type Member } from "./member.ts";
import { type ChaosPostgres, startChaosPostgres } from "./postgres.ts";

export interface Worker extends Member {
  /** The way of its packets to Postgres. */
  readonly line: TcpProxy;
}

/** Two servers and three workers on one Postgres and one Redis, as docker-compose.yml has them. */
export interface Fleet extends AsyncDisposable {
  readonly postgres: ChaosPostgres;
  readonly redis: TestRedis;
  readonly servers: readonly Member[];
  readonly workers: readonly Worker[];
  /** A key for each owner of jobs; the first is the administrator's. */
  readonly keys: readonly string[];
  /** A client of a server with an owner's key; closed with the fleet. */
  client(server: number, owner: number): Sluice;
  /** Writes what every process has written into a folder of its own, and answers where. */
  saveOutput(): string;
}

export interface FleetOptions {
  readonly leaseMs: number;
  /** A copy of the checkout to run. */
  readonly checkout?: string;
}

const SERVERS = 2;
const WORKERS = 3;
const OWNERS = ["ada@chaos.test", "bob@chaos.test"];
const PERMISSIONS = [
  "jobs:create",
  "jobs:read",
  "jobs:cancel",
  "documents:create",
  "results:read",
  "webhooks:create",
];

export async function startFleet({ leaseMs, checkout }: FleetOptions): Promise<Fleet> {
  await using parts = new AsyncDisposableStack();
  const shared = mkdtempSync(join(tmpdir(), "sluice-chaos-"));
  parts.defer(() => rmSync(shared, { recursive: true, force: true }));
  const postgres = parts.use(await startChaosPostgres());
  // Not a port that the system gives to connections: whoever looks for a Redis that is away could take it.
  const redis = parts.use(await startTestRedis({ port: await freePort() }));
  const env = {
    DATABASE_URL: postgres.url,
    REDIS_URL: redis.url,
    SLUICE_MASTER_KEY: randomBytes(32).toString("hex"),
    SLUICE_STORAGE_URL: join(shared, "files"),
    SLUICE_LEASE_MS: String(leaseMs),
    SLUICE_WORKER_CONCURRENCY: "2",
    SLUICE_GRACE_MS: "2000",
    SLUICE_EGRESS_ALLOW: "127.0.0.0/8",
  };
  const copy = checkout === undefined ? {} : { checkout };
  const site = async (more: Record<string, string> = {}) =>
    parts.use(await createSite({ env: { ...env, ...more }, ...copy }));

  const servers: Member[] = [];
  for (let n = 1; n <= SERVERS; n++) {
    servers.push(
      createMember(
        `server ${n}`,
        await site(),
        ["serve", "--no-worker", "--no-embedded", "--no-migrate"],
        "Sluice is ready at",
      ),
    );
  }
  const workers: Worker[] = [];
  for (let n = 1; n <= WORKERS; n++) {
    const line = parts.use(await startTcpProxy(postgres.url));
    const place = await site({ DATABASE_URL: line.url });
    workers.push(
      Object.assign(createMember(`worker ${n}`, place, ["worker"], "Sluice worker runs"), { line }),
    );
  }

  const [first] = servers;
  if (!first) throw new Error("a fleet has servers");
  const { code, stderr } = await first.site.run("migrate");
  if (code !== 0) throw new Error(`sluice migrate failed: ${stderr}`);
  // One after the other: the first makes the administrator.
  for (const server of servers) await server.start();
  await Promise.all(workers.map((worker) => worker.start()));
  const keys = [first.site.apiKey()];
  for (const email of OWNERS) keys.push(await keyOf(first, email));

  const clients = new Map<string, Sluice>();
  parts.defer(() => {
    for (const client of clients.values()) client.close();
  });
  const owned = parts.move();
  return {
    postgres,
    redis,
    servers,
    workers,
    keys,
    client(server, owner) {
      const name = `${server} ${owner}`;
      const client =
        clients.get(name) ?? createSluice({ url: servers[server]?.site.url ?? "", apiKey: keys[owner] });
      clients.set(name, client);
      return client;
    },
    saveOutput() {
      const folder = mkdtempSync(join(tmpdir(), "sluice-chaos-output-"));
      mkdirSync(folder, { recursive: true });
      for (const member of [...servers, ...workers]) {
        writeFileSync(join(folder, `${member.name.replace(" ", "-")}.log`), member.output());
      }
      return folder;
    },
    async [Symbol.asyncDispose]() {
      // A process that is frozen, or whose packets are held, does not hinder the end.
      for (const worker of workers) worker.line.release();
      await owned.disposeAsync();
    },
  };
}

/** Makes a user and answers an API key of theirs. */
async function keyOf(server: Member, email: string): Promise<string> {
  const { stdout, stderr } = await server.site.run("admin", "create-user", email, "--role", "developer");
  const password = /first login: (\S+)/.exec(stdout)?.[1];
  if (!password) throw new Error(`no user was made: ${stderr}`);
  using client = createSluice({ url: server.site.url, login: { email, password } });
  const { secret } = await client.auth.createApiKey({ name: "chaos", permissions: PERMISSIONS });
  return secret;
}
