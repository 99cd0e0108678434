import { messageOf } from "./errors.ts";

/** Ends what was started, newest first; goes on when one of them fails. */
export interface Cleanup {
  add(name: string, end: () => Promise<void>): void;
  run(): Promise<void>;
}

export function createCleanup(logger: { warn(fields: object, message: string): void }): Cleanup {
  const ends: { name: string; end: () => Promise<void> }[] = [];
  return {
    add(name, end) {
      ends.push({ name, end });
    },
    async run() {
      for (const { name, end } of ends.splice(0).reverse()) {
        try {
          await end();
        } catch (error) {
          logger.warn({ part: name, error: messageOf(error) }, "a part did not stop in good order");
        }
      }
    },
  };
}
