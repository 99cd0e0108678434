import type { Sql } from "../db/sql.ts";
import type { Clock } from "../lib/clock.ts";
import { noteKeyUse } from "./principal-queries.ts";

const INTERVAL_MS = 60_000;
const MAX_KEYS = 10_000;

/** Notes when API keys are used, beside the calls and not in them. */
export interface KeyUse {
  /** Once a minute and key; never waits, never fails. */
  note(keyId: string, lastUsedAt: Date | null): void;
  /** Resolves when nothing is under way. */
  drain(): Promise<void>;
}

export interface KeyUseDeps {
  readonly sql: Sql;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}

export function createKeyUse({ sql, clock, onError }: KeyUseDeps): KeyUse {
  const noted = new Map<string, number>();
  const underWay = new Set<Promise<void>>();
  return {
    note(keyId, lastUsedAt) {
      const last = Math.max(noted.get(keyId) ?? 0, lastUsedAt?.getTime() ?? 0);
      if (clock.now() - last < INTERVAL_MS) return;
      noted.delete(keyId);
      noted.set(keyId, clock.now());
      if (noted.size > MAX_KEYS) noted.delete(noted.keys().next().value as string);
      const writing = noteKeyUse(sql, keyId)
        .catch(onError)
        .finally(() => underWay.delete(writing));
      underWay.add(writing);
    },
    async drain() {
      await Promise.all(underWay);
    },
  };
}
