import { messageOf, SluiceError } from "../../lib/errors.ts";
import type { Lifecycle } from "../../lib/lifecycle.ts";
import { networkOf } from "../../lib/network.ts";
import { createPeriodic } from "../../lib/periodic.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { createTokenBuckets, type Rate, type TokenBuckets } from "./buckets.ts";
import type { RateStore } from "./store.ts";

/** More calls than an address or a user may make. */
export class RateLimitedError extends SluiceError {
  override name = "RateLimitedError";
  readonly kind = "resource_exhausted";
  readonly reason = "RATE_LIMITED";
  constructor(subject: "address" | "user", { perSecond }: Rate, retryAfterMs: number) {
    super(
      `Too many calls: one ${subject} may make ${perSecond} a second. Wait, then try again.`,
      { limit: subject, per_second: String(perSecond) },
      { retryAfterMs },
    );
  }
}

/** Bounds how often one address, and one user with all credentials together, may call. */
export interface RateLimits extends Lifecycle {
  /** Counts a call; the error if there are too many. IPv6 addresses count by their /64 network. */
  ofAddress(ipAddress: string): RateLimitedError | null;
  ofUser(userId: string): RateLimitedError | null;
}

export interface RateLimitsDeps {
  /** Null: no limit. */
  readonly perAddress: Rate | null;
  readonly perUser: Rate | null;
  /** What makes one limit of those of all processes. */
  readonly store: RateStore;
  /** Milliseconds of a clock that never jumps. */
  readonly now: () => number;
  readonly metrics: Pick<Metrics, "rateLimited">;
  readonly logger: Logger;
  /** For tests. */
  readonly settleMs?: number;
}

/** Keys of each kind that are kept in memory, some 200 bytes each. */
const MAX_KEYS = 50_000;
const SETTLE_MS = 500;
/** Keys of one settlement. */
const BATCH = 1_000;
const CLEAN_EVERY = 600;

/**
 * Decides in memory and settles with the other processes in the background, so no call waits. A process knows what the
 * others spent up to a settlement ago: `n` processes may let through `n` bursts once, and in the long run the rate, since
 * excess is a debt that is waited off, up to a minute. While the store is away each process limits by itself.
 */
export function createRateLimits(deps: RateLimitsDeps): RateLimits {
  const { perAddress, perUser, store, now, metrics, logger, settleMs = SETTLE_MS } = deps;
  const bucketsOf = (rate: Rate | null) => rate && createTokenBuckets(rate, { now, maxKeys: MAX_KEYS });
  const addresses = bucketsOf(perAddress);
  const users = bucketsOf(perUser);
  let away = false;
  let turn = 0;

  const check = (subject: "address" | "user", buckets: TokenBuckets | null, key: string) => {
    const waitMs = buckets?.take(`${subject}:${key}`) ?? 0;
    if (!buckets || waitMs === 0) return null;
    metrics.rateLimited.inc({ limit: subject });
    return new RateLimitedError(subject, buckets.rate, waitMs);
  };

  const settle = async (buckets: TokenBuckets | null): Promise<void> => {
    const spendings = buckets?.due(BATCH) ?? [];
    if (!buckets || spendings.length === 0) return;
    const levels = await store.settle(spendings, buckets.rate);
    for (const [index, spending] of spendings.entries()) {
      buckets.settled(spending, levels[index] ?? buckets.rate.burst);
    }
  };

  const work = async (): Promise<void> => {
    try {
      await settle(addresses);
      await settle(users);
      if (++turn % CLEAN_EVERY === 0) await store.clean();
      if (away) logger.info({}, "rate limits are shared again");
      away = false;
    } catch (error) {
      if (!away) {
        logger.warn(
          { error: messageOf(error) },
          "rate limits cannot be shared; each process limits by itself",
        );
      }
      away = true;
    }
  };

  return {
    ofAddress: (ipAddress) => check("address", addresses, networkOf(ipAddress)),
    ofUser: (userId) => check("user", users, userId),
    ...createPeriodic(work, settleMs),
  };
}
