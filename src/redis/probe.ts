import {
  connectRedis,
  evictionPolicy,
  isCluster,
  isRedisCluster,
  type RedisClient,
  reasonOf,
} from "./client.ts";

/** What a Redis says about itself. */
export interface RedisFacts {
  /** Name and version, e.g. `Redis 7.2.4` or `Valkey 8.1.0`. */
  readonly version: string;
  /** Servers with data that belong to it: 1, or those of a cluster. */
  readonly nodes: number;
  /** What it does when its memory is full, e.g. `noeviction`; null when it does not tell. */
  readonly evictionPolicy: string | null;
}

const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

/**
 * Asks the Redis at `urls` once, on connections of its own, and ends them. @throws an error in a few plain words,
 * without the address, when there is no answer within `timeoutMs`
 */
export async function probeRedis(urls: readonly string[], timeoutMs: number): Promise<RedisFacts> {
  const { cluster, error } = await isRedisCluster(urls, timeoutMs);
  if (error) throw new Error(error);
  const client = connectRedis(urls, { name: "probe", cluster, logger: silent });
  let reason: unknown = null;
  client.on("error", (thrown) => {
    reason = thrown;
  });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(reason ? reasonOf(reason) : "no answer in time")), timeoutMs);
  });
  try {
    return await Promise.race([ask(client), late]);
  } finally {
    clearTimeout(timer);
    client.disconnect();
  }
}

async function ask(client: RedisClient): Promise<RedisFacts> {
  if (client.status !== "ready") await new Promise<void>((resolve) => client.once("ready", () => resolve()));
  const nodes = isCluster(client) ? client.nodes("master") : [client];
  const info = (await nodes[0]?.info("server")) ?? "";
  return { version: versionOf(info), nodes: nodes.length, evictionPolicy: await evictionPolicy(client) };
}

function versionOf(info: string): string {
  const field = (name: string): string | undefined => new RegExp(`^${name}:(\\S+)`, "m").exec(info)?.[1];
  // Valkey tells the version of Redis that it stands for as well as its own.
  const valkey = field("valkey_version");
  return valkey ? `Valkey ${valkey}` : `Redis ${field("redis_version") ?? "of an unknown version"}`;
}
