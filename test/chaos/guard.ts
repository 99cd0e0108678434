import type { Fleet } from "./fleet.ts";

const LOOK_MS = 250;

/**
 * Looks all the time for processes that end although nobody has ended them, and starts others in their places, so that
 * the run can go on to its verdict. Returns the way to end it.
 */
export function guard(fleet: Fleet, onDeath: (death: string) => void): () => void {
  const timer = setInterval(() => {
    for (const member of [...fleet.servers, ...fleet.workers]) {
      const death = member.ownDeath();
      if (death === null) continue;
      onDeath(death);
      member.start().catch((error: Error) => onDeath(error.message));
    }
  }, LOOK_MS);
  return () => clearInterval(timer);
}
