import { constants, type Http2Session, type ServerHttp2Session } from "node:http2";
import type { Clock } from "../lib/clock.ts";

export interface SessionLimits {
  /** A session whose client has not answered a ping for this long is dead. */
  readonly pingIntervalMs: number;
  /** A session without a stream for this long is closed. */
  readonly idleMs: number;
  /** Streams that a client may reset within 10 s. */
  readonly maxResets: number;
}

export interface Sessions {
  add(session: ServerHttp2Session): void;
  /** Its client has reset several streams lately, so that the next ones may be meant to be reset too. */
  isResetting(session: Http2Session | undefined): boolean;
  /** GOAWAY on every session: no new streams, those that are open go on. */
  closeAll(): void;
  destroyAll(): void;
}

const RESET_WINDOW_MS = 10_000;
/** Within the window; fewer are the calls that a client gives up now and then. */
const SEVERAL_RESETS = 10;

/**
 * Looks after HTTP/2 sessions: finds the dead by pings (a timeout on the session would cut streams that are merely
 * quiet), closes the idle ones, ends those that open streams only to reset them.
 */
export function createSessions({ pingIntervalMs, idleMs, maxResets }: SessionLimits, clock: Clock): Sessions {
  const all = new Set<ServerHttp2Session>();
  /** When their streams were reset, of those that had resets. */
  const resetsOf = new WeakMap<Http2Session, readonly number[]>();
  const recentResets = (session: Http2Session): readonly number[] => {
    const since = clock.now() - RESET_WINDOW_MS;
    return (resetsOf.get(session) ?? []).filter((at) => at > since);
  };
  return {
    add(session) {
      all.add(session);
      let openStreams = 0;
      let quietSinceMs = clock.now();

      session.on("stream", (stream) => {
        openStreams++;
        stream.once("close", () => {
          openStreams--;
          const now = clock.now();
          quietSinceMs = now;
          // All that is open closes with its session, on which nothing may be called any more.
          if (session.destroyed) return;
          // Not `aborted`: a stream that was refused at once has been answered when its reset is seen.
          if (stream.rstCode === constants.NGHTTP2_NO_ERROR) return;
          const resets = [...recentResets(session), now];
          resetsOf.set(session, resets);
          if (resets.length <= maxResets) return;
          // With the destruction itself goes no code, unless there is an error for all its streams.
          session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM);
          session.destroy();
        });
      });

      let unanswered = false;
      const timer = setInterval(() => {
        if (unanswered) return session.destroy();
        if (openStreams === 0 && clock.now() - quietSinceMs > idleMs) return session.close();
        unanswered = true;
        const sent = session.ping((error) => {
          if (!error) unanswered = false;
        });
        if (!sent) unanswered = false;
      }, pingIntervalMs);
      session.on("error", () => {});
      session.once("close", () => {
        clearInterval(timer);
        all.delete(session);
      });
    },
    isResetting: (session) => session !== undefined && recentResets(session).length >= SEVERAL_RESETS,
    closeAll() {
      for (const session of all) session.close();
    },
    destroyAll() {
      for (const session of all) session.destroy();
    },
  };
}
