import { within } from "../lib/within.ts";
import type { RedisClient } from "./client.ts";

const ANSWER_MS = 2_000;

/** Fills a bucket by Redis's clock, takes out what was spent, and answers what is left, for each key. */
const SETTLE = `
local time = redis.call("TIME")
local now = time[1] + time[2] / 1000000
local rate, burst, floor = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local levels = {}
for i, key in ipairs(KEYS) do
  local kept = redis.call("HMGET", key, "tokens", "at")
  local tokens = math.min(burst, (tonumber(kept[1]) or burst) + rate * math.max(0, now - (tonumber(kept[2]) or now)))
  tokens = math.max(floor, tokens - tonumber(ARGV[3 + i]))
  redis.call("HSET", key, "tokens", tostring(tokens), "at", string.format("%.6f", now))
  redis.call("PEXPIRE", key, math.ceil((burst - tokens) / rate * 1000) + 1000)
  levels[i] = tostring(tokens)
end
return levels`;

export interface RedisBuckets {
  /** Takes `spent` out of each bucket; answers what each holds then, down to `floor`. */
  settle(
    spendings: readonly { readonly key: string; readonly spent: number }[],
    limits: { readonly perSecond: number; readonly burst: number; readonly floor: number },
  ): Promise<number[]>;
}

/**
 * Token buckets in Redis, each gone by itself when it is full. They share a hash tag, so that one script reaches all of
 * them in a cluster. @param name what tells this installation's keys from others in the same Redis
 */
export function createRedisBuckets(redis: RedisClient, name: string): RedisBuckets {
  return {
    async settle(spendings, { perSecond, burst, floor }) {
      const keys = spendings.map(({ key }) => `{sluice:${name}}:rate:${key}`);
      const spent = spendings.map((each) => each.spent);
      const answer = redis.eval(SETTLE, keys.length, ...keys, perSecond, burst, floor, ...spent);
      answer.catch(() => {});
      const levels = (await within(ANSWER_MS, answer)) as string[] | undefined;
      if (!levels) throw new Error(`Redis did not answer within ${ANSWER_MS} ms`);
      return levels.map(Number);
    },
  };
}
