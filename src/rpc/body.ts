import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { Code } from "@connectrpc/connect";
import type { Clock } from "../lib/clock.ts";
import { failure } from "./errors.ts";

export interface BodyLimits {
  /** Longest silence of a client in the middle of a body. */
  readonly idleMs: number;
  /** What must have come in, on average, after `idleMs` of waiting. */
  readonly minBytesPerSecond: number;
}

export interface BodyGuard {
  /**
   * The body in pieces. Fails with DEADLINE_EXCEEDED if it comes too slowly; the time in which nobody asks for the
   * next piece does not count. Reading can stop at any piece without loss of the connection.
   * @param quietly the client may be silent for as long as it likes, as in a conversation
   * @param onFirstRead called before the first piece is waited for
   */
  read(
    request: IncomingMessage | Http2ServerRequest,
    quietly: boolean,
    onFirstRead?: () => void,
  ): AsyncIterable<Uint8Array>;
  close(): void;
}

interface Wait {
  readonly sinceMs: number;
  readonly waitedMs: number;
  readonly bytes: number;
  readonly fail: (error: Error) => void;
}

/** Bounds how slowly bodies may arrive; one timer looks after all of them. */
export function createBodyGuard(limits: BodyLimits, clock: Clock): BodyGuard {
  const waits = new Set<Wait>();
  const sweep = () => {
    const now = clock.now();
    for (const wait of waits) {
      const silentMs = now - wait.sinceMs;
      const inAllMs = wait.waitedMs + silentMs;
      const wantedBytes = (inAllMs / 1_000) * limits.minBytesPerSecond;
      if (silentMs > limits.idleMs || (inAllMs > limits.idleMs && wait.bytes < wantedBytes))
        wait.fail(tooSlow());
    }
  };
  const timer = setInterval(sweep, Math.max(50, Math.min(1_000, limits.idleMs / 4))).unref();

  return {
    read(request, quietly, onFirstRead) {
      return {
        [Symbol.asyncIterator]() {
          // Leaving a `for await` over the request itself would destroy the socket, and the answer with it.
          const chunks = request.iterator({ destroyOnReturn: false });
          let waitedMs = 0;
          let bytes = 0;
          let begun = false;
          return {
            next() {
              if (!begun) onFirstRead?.();
              begun = true;
              const next = chunks.next() as Promise<IteratorResult<Uint8Array, undefined>>;
              if (quietly) return next;
              return new Promise((resolve, reject) => {
                const sinceMs = clock.now();
                const wait: Wait = { sinceMs, waitedMs, bytes, fail: reject };
                waits.add(wait);
                next
                  .then((result) => {
                    waitedMs += clock.now() - sinceMs;
                    bytes += result.done ? 0 : result.value.byteLength;
                    resolve(result);
                  }, reject)
                  .finally(() => waits.delete(wait));
              });
            },
            async return() {
              void chunks.return?.().catch(() => {});
              return { done: true, value: undefined };
            },
          };
        },
      };
    },
    close: () => clearInterval(timer),
  };
}

function tooSlow() {
  return failure({
    code: Code.DeadlineExceeded,
    reason: "DEADLINE_EXCEEDED",
    message: "The request body arrived too slowly and was given up.",
  });
}
