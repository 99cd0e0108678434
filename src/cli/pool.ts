/** Lets at most `limit` tasks run at once, in the order they were asked for. */
export function createGate(limit: number): <T>(task: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (task) => {
    if (running >= limit) await new Promise<void>((go) => waiting.push(go));
    else running++;
    try {
      return await task();
    } finally {
      // The place goes to the next one, or is free again.
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}
