import { messageOf } from "../lib/errors.ts";
import { connectRedis, isCluster, type RedisClient } from "../redis/client.ts";
import type { Logger } from "../telemetry/logger.ts";
import { type BusTransport, CHANNEL } from "./transport.ts";

/**
 * Over Redis: takes wake-ups off Postgres. While Redis is away, processes look by themselves.
 * @param options.name what tells this installation's channel from others in the same Redis
 */
export function createRedisTransport(options: {
  urls: readonly string[];
  cluster: boolean;
  name: string;
  logger: Logger;
}): BusTransport {
  const { urls, cluster, logger } = options;
  const channel = `${CHANNEL}:${options.name}`;
  const publisher = connectRedis(urls, { name: "publish", cluster, logger, quiet: true });
  let subscriber: RedisClient | null = null;
  return {
    async publish(payloads) {
      // A channel belongs to no slot, so a cluster takes no pipeline of them.
      if (isCluster(publisher)) {
        await Promise.all(payloads.map((payload) => publisher.publish(channel, payload)));
        return;
      }
      const pipeline = publisher.pipeline();
      for (const payload of payloads) pipeline.publish(channel, payload);
      await pipeline.exec();
    },
    async subscribe(onPayload, onReady) {
      const client = connectRedis(urls, { name: "subscribe", cluster, logger, quiet: true });
      subscriber = client;
      client.on("message", (_channel, payload) => onPayload(payload));
      client.on("ready", () => {
        client.subscribe(channel).then(onReady, (error) => {
          logger.warn({ error: messageOf(error) }, "the wake-up channel could not be followed");
        });
      });
    },
    async check() {
      await publisher.ping();
    },
    async close() {
      publisher.disconnect();
      subscriber?.disconnect();
    },
  };
}
