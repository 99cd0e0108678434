import { messageOf } from "../lib/errors.ts";
import { probeRedis } from "../redis/probe.ts";
import type { Check } from "./model.ts";

const ANSWER_MS = 5_000;

/** Does the Redis of REDIS_URL answer, and does it keep what it is given? */
export function redisCheck({ urls }: { urls: readonly string[] }): Check {
  return {
    name: "redis",
    async run() {
      const hosts = urls.map((url) => new URL(url).host).join(", ");
      let facts: Awaited<ReturnType<typeof probeRedis>>;
      try {
        facts = await probeRedis(urls, ANSWER_MS);
      } catch (error) {
        return [
          {
            level: "fault",
            code: "REDIS_AWAY",
            message: `Redis at ${hosts} cannot be used: ${messageOf(error)}`,
            advice:
              "Start it, or correct REDIS_URL. Until then jobs are taken from PostgreSQL, and none is lost.",
          },
        ];
      }
      const { version, nodes, evictionPolicy } = facts;
      const who = `${version}${nodes > 1 ? `, a cluster of ${nodes},` : ""} answers`;
      if (evictionPolicy === "noeviction") {
        return [{ level: "ok", code: "OK", message: `${who}, maxmemory-policy is noeviction` }];
      }
      if (evictionPolicy === null) {
        const message = `${who}, but does not tell its maxmemory-policy`;
        const advice = "Make sure that it is noeviction.";
        return [{ level: "warn", code: "REDIS_POLICY_UNKNOWN", message, advice }];
      }
      return [
        {
          level: "warn",
          code: "REDIS_EVICTS",
          message: `${who}, but its maxmemory-policy is ${evictionPolicy}: when its memory is full it silently drops parts of the queue, and their jobs wait until they are missed`,
          advice:
            "Set `maxmemory-policy noeviction` in redis.conf, or `redis-cli CONFIG SET maxmemory-policy noeviction`: then it refuses with an error, which is noticed at once.",
        },
      ];
    },
  };
}
