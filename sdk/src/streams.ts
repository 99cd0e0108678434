import { toSluiceError } from "./translate.ts";

/** Aborts `controller` when `signal` fires; the function that comes back undoes it. */
export function forward(signal: AbortSignal | undefined, controller: AbortController): () => void {
  if (!signal) return () => {};
  if (signal.aborted) {
    controller.abort(signal.reason);
    return () => {};
  }
  const fire = () => controller.abort(signal.reason);
  signal.addEventListener("abort", fire, { once: true });
  return () => signal.removeEventListener("abort", fire);
}

/**
 * An iterable over what `run` yields. Leaving the loop by `break`, `return` or a throw aborts the signal that `run`
 * got, and with it the call below: Connect itself lets it run on. Every failure is a `SluiceError`.
 */
export function cancellable<T>(
  signal: AbortSignal | undefined,
  run: (signal: AbortSignal) => AsyncIterator<T, unknown, undefined>,
): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const controller = new AbortController();
      const unlink = forward(signal, controller);
      const source = run(controller.signal);
      let closed = false;
      const close = () => {
        closed = true;
        unlink();
        controller.abort();
      };
      const end = { done: true as const, value: undefined };
      return {
        async next() {
          if (closed) return end;
          try {
            const step = await source.next();
            if (!step.done) return step;
            close();
            return end;
          } catch (error) {
            if (closed) return end;
            close();
            throw toSluiceError(error, signal);
          }
        },
        async return() {
          close();
          await source.return?.().catch(() => {});
          return end;
        },
      };
    },
  };
}
