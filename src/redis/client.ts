import { Cluster, Redis } from "ioredis";
import { messageOf } from "../lib/errors.ts";
import type { Logger } from "../telemetry/logger.ts";

/** One server, or a cluster of them. */
export type RedisClient = Redis | Cluster;

const CONNECT_MS = 5_000;
const pauseMs = (times: number): number => Math.min(5_000, 50 * 2 ** Math.min(times, 10));

/**
 * A connection that comes back by itself, for ever and with growing pauses. Commands fail at once while it is
 * away instead of gathering in memory.
 * @param urls of one server, or of any nodes of a cluster
 * @param deps.quiet another connection to the same Redis says when it goes and comes
 */
export function connectRedis(
  urls: readonly string[],
  deps: { name: string; cluster: boolean; logger: Logger; quiet?: boolean },
): RedisClient {
  const common = { connectionName: `sluice:${deps.name}`, connectTimeout: CONNECT_MS };
  const client = deps.cluster
    ? new Cluster(urls.map(nodeOf), {
        enableOfflineQueue: false,
        redisOptions: { ...common, ...credentialsOf(urls[0] ?? ""), maxRetriesPerRequest: 0 },
        slotsRefreshTimeout: CONNECT_MS,
        clusterRetryStrategy: pauseMs,
        // A command that meets a failover is not worth waiting for: Postgres knows all that it says.
        maxRedirections: 3,
        retryDelayOnFailover: 100,
      })
    : new Redis(urls[0] ?? "", {
        ...common,
        enableOfflineQueue: false,
        maxRetriesPerRequest: 0,
        retryStrategy: pauseMs,
      });
  let away = false;
  client.on("error", (error) => {
    // One line each time it goes away, not one each try.
    if (!away && !deps.quiet) {
      deps.logger.warn({ error: reasonOf(error) }, "Redis does not answer; work goes on without it");
    }
    away = true;
  });
  client.on("ready", () => {
    if (away && !deps.quiet) deps.logger.info({}, "Redis is back");
    away = false;
  });
  return client;
}

/** What is behind `REDIS_URL`, asked within `timeoutMs`; a server that does not answer counts as a single one. */
export async function isRedisCluster(
  urls: readonly string[],
  timeoutMs: number,
): Promise<{ cluster: boolean; error: string | null }> {
  if (urls.length > 1) return { cluster: true, error: null };
  const probe = new Redis(urls[0] ?? "", {
    lazyConnect: true,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  let reason: unknown = null;
  probe.on("error", (error) => {
    reason ??= error;
  });
  try {
    await probe.connect();
    const info = await probe.info("cluster");
    return { cluster: /cluster_enabled:1/.test(info), error: null };
  } catch (error) {
    return { cluster: false, error: reasonOf(reason ?? error) };
  } finally {
    probe.disconnect();
  }
}

/** The driver's errors in a few plain words, without the address. */
export function reasonOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  const text = messageOf(error);
  if (code === "ECONNREFUSED") return "nothing listens at its address";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "its host name is not known";
  if (code === "ETIMEDOUT" || /timed out/i.test(text)) return "no answer in time";
  if (code === "EPIPE" || code === "ECONNRESET") return "it closes the connection; it may be no Redis";
  if (/Unknown RESP type/i.test(text)) return "what answers there is no Redis";
  if (/WRONGPASS|invalid username-password/i.test(text)) return "it refuses the user name or password";
  if (/NOAUTH|without any password|Authentication required/i.test(text)) return "it wants a password";
  return text;
}

function nodeOf(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url);
  return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 6379) };
}

function credentialsOf(url: string): { username?: string; password?: string; tls?: object } {
  const { username, password, protocol } = new URL(url);
  return {
    ...(username ? { username: decodeURIComponent(username) } : {}),
    ...(password ? { password: decodeURIComponent(password) } : {}),
    ...(protocol === "rediss:" ? { tls: {} } : {}),
  };
}

export function isCluster(client: RedisClient): client is Cluster {
  return client instanceof Cluster;
}

/**
 * What the servers do when their memory is full, as `maxmemory-policy` names it: those of a cluster may differ, and the
 * first that evicts counts. Null when a server does not say.
 */
export async function evictionPolicy(client: RedisClient): Promise<string | null> {
  const nodes = isCluster(client) ? client.nodes("master") : [client];
  const policies = await Promise.all(
    nodes.map(async (node) => /^maxmemory_policy:(\S+)/m.exec(await node.info("memory"))?.[1] ?? null),
  );
  return policies.find((policy) => policy !== "noeviction") ?? policies[0] ?? null;
}
