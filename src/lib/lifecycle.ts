/** A background duty: `start` returns when it runs, `stop` when it has ended and holds nothing any more. */
export interface Lifecycle {
  start(): Promise<void>;
  stop(): Promise<void>;
}
