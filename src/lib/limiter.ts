/**
 * Runs at most `concurrency` pieces of work at once; others wait for their turn, in order.
 * @param full makes the error for one that finds `maxWaiting` others waiting
 */
export function createLimiter(
  concurrency: number,
  { maxWaiting, full }: { readonly maxWaiting: number; readonly full: () => Error },
): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running >= concurrency) {
      if (waiting.length >= maxWaiting) throw full();
      // The one that ends hands its place over, so `running` stays as it is.
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else {
      running++;
    }
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}
