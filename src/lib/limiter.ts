/**
 * Runs at most `concurrency` pieces of work at once; others wait for their turn, in order. A piece may be somebody's: of one
 * `whose`, no more than `maxWaitingEach` wait.
 * @param full makes the error for one that finds as many others waiting
 */
export function createLimiter(
  concurrency: number,
  {
    maxWaiting,
    maxWaitingEach = maxWaiting,
    full,
  }: { readonly maxWaiting: number; readonly maxWaitingEach?: number; readonly full: () => Error },
): <T>(work: () => Promise<T>, whose?: string) => Promise<T> {
  const waiting: { readonly whose: string | undefined; readonly begin: () => void }[] = [];
  let running = 0;
  return async (work, whose) => {
    if (running >= concurrency) {
      const others = waiting.filter((other) => whose !== undefined && other.whose === whose);
      if (waiting.length >= maxWaiting || others.length >= maxWaitingEach) throw full();
      // The one that ends hands its place over, so `running` stays as it is.
      await new Promise<void>((begin) => waiting.push({ whose, begin }));
    } else {
      running++;
    }
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next.begin();
      else running--;
    }
  };
}
