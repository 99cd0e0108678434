import { messageOf } from "../lib/errors.ts";
import type { Lifecycle } from "../lib/lifecycle.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { BusTransport } from "./transport.ts";

/** What processes tell each other. All of it is a hint: whoever waits also looks by himself now and then. */
export type Topic = "events" | "work" | "orders" | "deliveries";

export interface EventBus extends Lifecycle {
  /**
   * Tells this process at once, and the others with the next batch, that something changed for these ids.
   * Call it after the commit. Never waits and never fails.
   */
  announce(topic: Topic, ids: readonly string[]): void;
  /** Calls `listener` when something changed for this id, or may have. Returns the way to end it. */
  onId(topic: Topic, id: string, listener: () => void): () => void;
  /** Calls `listener` with the ids of each announcement; an empty list means that some were missed. */
  onAny(topic: Topic, listener: (ids: readonly string[]) => void): () => void;
}

/** Postgres refuses payloads of 8,000 bytes and more; 150 ids of 39 bytes stay below it. */
const IDS_PER_NOTIFY = 150;
const MAX_PENDING = 10_000;

interface Message {
  readonly from: string;
  readonly topic: Topic;
  readonly ids: readonly string[];
}

/**
 * The wake-ups between processes. They never stand in the transactions of jobs (NOTIFY holds a server-wide
 * lock at commit): announcements are gathered while one is on its way and then go together.
 */
export function createEventBus(deps: {
  transport: BusTransport;
  processId: string;
  logger: Logger;
}): EventBus {
  const { transport, processId, logger } = deps;
  const byId = new Map<string, Set<() => void>>();
  const any = new Map<Topic, Set<(ids: readonly string[]) => void>>();
  const pending = new Map<Topic, Set<string>>();
  let sending: Promise<void> | null = null;
  let stopped = false;

  const deliver = (topic: Topic, ids: readonly string[]): void => {
    for (const id of ids) for (const listener of byId.get(`${topic} ${id}`) ?? []) listener();
    for (const listener of any.get(topic) ?? []) listener(ids);
  };

  const wakeAll = (): void => {
    for (const listeners of byId.values()) for (const listener of listeners) listener();
    for (const listeners of any.values()) for (const listener of listeners) listener([]);
  };

  const flush = async (): Promise<void> => {
    while (pending.size > 0) {
      const payloads: string[] = [];
      for (const [topic, ids] of pending) {
        const list = [...ids];
        for (let at = 0; at < list.length; at += IDS_PER_NOTIFY) {
          payloads.push(
            JSON.stringify({
              from: processId,
              topic,
              ids: list.slice(at, at + IDS_PER_NOTIFY),
            } satisfies Message),
          );
        }
      }
      pending.clear();
      try {
        await transport.publish(payloads);
      } catch (error) {
        logger.warn(
          { error: messageOf(error) },
          "other processes could not be woken; they will look by themselves",
        );
      }
    }
    // In the turn that saw nothing pending: what is announced between would stay until the next announcement.
    sending = null;
  };

  return {
    async start() {
      await transport.subscribe((payload) => {
        const message = readMessage(payload);
        if (message && message.from !== processId) deliver(message.topic, message.ids);
      }, wakeAll);
    },

    async stop() {
      stopped = true;
      await sending;
      byId.clear();
      any.clear();
      await transport.close();
    },

    announce(topic, ids) {
      if (ids.length === 0) return;
      deliver(topic, ids);
      if (stopped) return;
      const gathered = pending.get(topic) ?? new Set();
      pending.set(topic, gathered);
      for (const id of ids) if (gathered.size < MAX_PENDING) gathered.add(id);
      // In a later turn, so that what one turn announces shares a statement.
      sending ??= Promise.resolve().then(flush);
    },

    onId(topic, id, listener) {
      const key = `${topic} ${id}`;
      const listeners = byId.get(key) ?? new Set();
      byId.set(key, listeners);
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
        if (listeners.size === 0 && byId.get(key) === listeners) byId.delete(key);
      };
    },

    onAny(topic, listener) {
      const listeners = any.get(topic) ?? new Set();
      any.set(topic, listeners);
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** Null for what is no message of ours: whoever may log in to the database or to Redis can write to the channel. */
function readMessage(payload: string): Message | null {
  try {
    const message = JSON.parse(payload) as Partial<Message> | null;
    const ids = message?.ids;
    if (!Array.isArray(ids) || typeof message?.topic !== "string") return null;
    return {
      from: String(message.from),
      topic: message.topic,
      ids: ids.filter((id) => typeof id === "string"),
    };
  } catch {
    return null;
  }
}
