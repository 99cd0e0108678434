export interface CoalescerOptions<In, Out> {
  /** Batches under way at once. */
  readonly lanes: number;
  /** Items in one batch at the most. */
  readonly maxItems: number;
  /** Weight of one batch at the most; a single heavier item goes alone. */
  readonly maxWeight: number;
  weigh(item: In): number;
  /**
   * True for a failure that has nothing to do with single items, as a database that is away: all callers
   * get it at once, and none is tried alone. Default: never.
   */
  isShared?(error: unknown): boolean;
  /** Does the work for all items; answers in their order, an `Error` for an item that failed by itself. */
  run(items: readonly In[]): Promise<readonly (Out | Error)[]>;
}

/**
 * Turns concurrent single calls into batches (group commit). There is no timer: an idle lane takes what is
 * there at once, and while all lanes are busy the next batch grows. A batch that throws is run again item by
 * item, so that one bad item fails alone; `run` must therefore have no effect when it throws.
 */
export function createCoalescer<In, Out>(options: CoalescerOptions<In, Out>): (item: In) => Promise<Out> {
  interface Entry {
    readonly item: In;
    resolve(value: Out): void;
    reject(error: unknown): void;
  }
  let queue: Entry[] = [];
  let busy = 0;

  const take = (): Entry[] => {
    let weight = 0;
    let count = 0;
    for (const { item } of queue) {
      weight += options.weigh(item);
      if (count > 0 && (weight > options.maxWeight || count >= options.maxItems)) break;
      count++;
    }
    const batch = queue.slice(0, count);
    queue = queue.slice(count);
    return batch;
  };

  const settle = (batch: readonly Entry[], results: readonly (Out | Error)[]): void => {
    for (const [index, entry] of batch.entries()) {
      const result = results[index];
      if (result instanceof Error) entry.reject(result);
      else entry.resolve(result as Out);
    }
  };

  const runBatch = async (batch: readonly Entry[]): Promise<void> => {
    try {
      settle(batch, await options.run(batch.map(({ item }) => item)));
    } catch (error) {
      if (batch.length === 1 || options.isShared?.(error)) for (const entry of batch) entry.reject(error);
      else for (const entry of batch) await runBatch([entry]);
    }
  };

  const lane = async (): Promise<void> => {
    while (queue.length > 0) await runBatch(take());
    // In the turn that saw the queue empty: an item that came between would wait for ever.
    busy--;
  };

  return (item) =>
    new Promise<Out>((resolve, reject) => {
      queue.push({ item, resolve, reject });
      if (busy >= options.lanes) return;
      busy++;
      // A microtask later, so that calls made in the same turn share the first batch too.
      void Promise.resolve().then(lane);
    });
}
