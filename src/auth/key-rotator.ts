import { messageOf } from "../lib/errors.ts";
import type { Lifecycle } from "../lib/lifecycle.ts";
import { createPeriodic } from "../lib/periodic.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { KeyRotation } from "./key-rotation.ts";

const INTERVAL_MS = 60 * 60_000;

export interface KeyRotatorDeps {
  readonly rotation: Pick<KeyRotation, "rotateOlder">;
  /** How long a key signs. */
  readonly maxActiveMs: number;
  readonly logger: Pick<Logger, "info" | "warn">;
}

/** Rotates the signing keys when the active one is old: looked after at the start and every hour; of many processes one does. */
export function createKeyRotator({ rotation, maxActiveMs, logger }: KeyRotatorDeps): Lifecycle {
  const look = async (): Promise<void> => {
    try {
      const rotated = await rotation.rotateOlder(maxActiveMs, "key-rotator");
      if (rotated) logger.info({ ...rotated }, "the signing key was old, and the next one signs now");
    } catch (error) {
      logger.warn({ error: messageOf(error) }, "the age of the signing key could not be looked after");
    }
  };
  const periodic = createPeriodic(look, INTERVAL_MS);
  return {
    async start() {
      await look();
      await periodic.start();
    },
    stop: periodic.stop,
  };
}
