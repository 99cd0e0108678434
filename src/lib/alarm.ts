/** Lets one loop sleep until something rings, for a time at the most. A ring while the loop is awake ends its next sleep. */
export interface Alarm {
  ring(): void;
  /** Until the next ring, the end of the signal, or `ms`. */
  sleep(ms: number): Promise<void>;
  /** Forgets the signal. */
  end(): void;
}

export function createAlarm(signal: AbortSignal): Alarm {
  let rung = false;
  let wake = (): void => {};
  const ring = (): void => {
    rung = true;
    wake();
  };
  signal.addEventListener("abort", ring);
  return {
    ring,
    async sleep(ms) {
      if (!rung && !signal.aborted) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        wake = () => {};
      }
      rung = false;
    },
    end: () => signal.removeEventListener("abort", ring),
  };
}
