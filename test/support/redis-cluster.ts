import { Redis } from "ioredis";
import { freePort } from "./ports.ts";
import { startTestRedis, type TestRedis } from "./redis.ts";

/** A real cluster of three nodes, each with a third of the slots; it ends with the test's process at the latest. */
export interface TestRedisCluster extends AsyncDisposable {
  readonly urls: readonly string[];
  stop(): Promise<void>;
}

const NODES = 3;
const SLOTS = 16_384;
const FORM_MS = 20_000;

export async function startTestRedisCluster(): Promise<TestRedisCluster> {
  const nodes: TestRedis[] = [];
  const buses: string[] = [];
  for (let i = 0; i < NODES; i++) {
    const bus = String(await freePort());
    const cluster = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", bus];
    nodes.push(await startTestRedis({ args: cluster }));
    buses.push(bus);
  }
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.stop()));
  };
  try {
    await form(nodes, buses);
  } catch (error) {
    await stop();
    throw error;
  }
  return { urls: nodes.map(({ url }) => url), stop, [Symbol.asyncDispose]: stop };
}

/** Divides the slots, lets the nodes meet and waits until each says that the cluster is whole. */
async function form(nodes: readonly TestRedis[], buses: readonly string[]): Promise<void> {
  const clients = nodes.map(({ url }) => new Redis(url));
  try {
    const share = Math.ceil(SLOTS / nodes.length);
    for (const [index, client] of clients.entries()) {
      const from = index * share;
      await client.call("CLUSTER", "ADDSLOTSRANGE", from, Math.min(SLOTS, from + share) - 1);
      await client.call("CLUSTER", "SET-CONFIG-EPOCH", index + 1);
    }
    for (const [index, { port }] of nodes.entries()) {
      if (index > 0) await clients[0]?.call("CLUSTER", "MEET", "127.0.0.1", port, buses[index] ?? "");
    }
    const deadline = performance.now() + FORM_MS;
    for (const client of clients) {
      while (!(await isWhole(client, nodes.length))) {
        if (performance.now() > deadline) throw new Error("the Redis cluster did not form in time");
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  } finally {
    for (const client of clients) client.disconnect();
  }
}

async function isWhole(client: Redis, nodes: number): Promise<boolean> {
  const info = String(await client.call("CLUSTER", "INFO"));
  return info.includes("cluster_state:ok") && info.includes(`cluster_known_nodes:${nodes}`);
}
