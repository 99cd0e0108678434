import type { Http2ServerResponse } from "node:http2";
import type { Clock } from "../lib/clock.ts";
import type { NodeResponse } from "./node-http.ts";

export interface UnreadGuard {
  /** Looks after the answer until it is closed. */
  watch(response: NodeResponse): void;
  close(): void;
}

/**
 * Cuts answers of which a client has not taken one piece for `unreadMs` although there is more: one that reads nothing
 * would else hold its buffers, and the handler of its stream, for as long as it likes. One timer looks after all of them.
 */
export function createUnreadGuard(unreadMs: number, clock: Clock): UnreadGuard {
  /** Since when each answer waits for its reader; null: it does not. */
  const watched = new Map<NodeResponse, number | null>();
  const sweep = (): void => {
    const now = clock.now();
    for (const [response, sinceMs] of watched) {
      if (!waits(response)) watched.set(response, null);
      else if (sinceMs === null) watched.set(response, now);
      else if (now - sinceMs > unreadMs) response.destroy();
    }
  };
  const timer = setInterval(sweep, Math.max(50, Math.min(5_000, unreadMs / 4))).unref();
  return {
    watch(response) {
      watched.set(response, null);
      // It may wait again at the next look: a piece has been taken all the same.
      response.on("drain", () => watched.has(response) && watched.set(response, null));
      response.once("close", () => watched.delete(response));
    },
    close: () => clearInterval(timer),
  };
}

function waits(response: NodeResponse): boolean {
  const { stream } = response as unknown as Partial<Http2ServerResponse>;
  return (stream ?? response).writableNeedDrain;
}
