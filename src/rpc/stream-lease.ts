import type { Caller } from "../lib/caller.ts";
import type { Clock } from "../lib/clock.ts";
import { SluiceError } from "../lib/errors.ts";
import { networkOf } from "../lib/network.ts";
import type { Call } from "./context.ts";

class CredentialExpiredError extends SluiceError {
  override name = "CredentialExpiredError";
  readonly kind = "unauthenticated";
  readonly reason = "CREDENTIAL_EXPIRED";
  constructor() {
    super("The credential ended while the stream was open; open it again with a new one.");
  }
}

class TooManyStreamsError extends SluiceError {
  override name = "TooManyStreamsError";
  readonly kind = "resource_exhausted";
  readonly reason = "QUOTA_EXCEEDED";
  constructor(limit: number) {
    super(
      `This server has ${limit} open streams of the caller already; close some first.`,
      { limit: String(limit) },
      { quota: { subject: "open streams", description: `at most ${limit} for a user` } },
    );
  }
}

export interface StreamLeaseDeps {
  readonly clock: Clock;
  readonly maxStreamsPerCaller: number;
  /** Throws if the caller's credential is no longer good; asked every `revalidateMs` while a stream is open. */
  readonly revalidate?: ((caller: Caller) => Promise<void>) | undefined;
  readonly revalidateMs: number;
  /** A stream whose credential could not be asked after for this long ends. */
  readonly maxUnvalidatedMs: number;
}

export interface StreamLease {
  /** Aborts with the call's own signal, and when the credential ends. */
  readonly signal: AbortSignal;
  release(): void;
}

export interface StreamLeases {
  /** @throws TooManyStreamsError */
  take(call: Call, signal: AbortSignal): StreamLease;
}

const MAX_TIMER_MS = 2 ** 31 - 1;

/** Lets streams live as long as the credential that opened them, and a user have so many of them. */
export function createStreamLeases(deps: StreamLeaseDeps): StreamLeases {
  const open = new Map<string, number>();
  const { clock, maxStreamsPerCaller, revalidate, revalidateMs, maxUnvalidatedMs } = deps;

  const count = (holder: string, change: number) => {
    const streams = (open.get(holder) ?? 0) + change;
    if (streams > 0) open.set(holder, streams);
    else open.delete(holder);
  };

  return {
    take({ caller, peer }, parent) {
      // Without a credential, as health watches and reflection are, each address has a count of its own.
      const holder = caller?.userId ? `user ${caller.userId}` : `address ${networkOf(peer.ipAddress)}`;
      if ((open.get(holder) ?? 0) >= maxStreamsPerCaller) throw new TooManyStreamsError(maxStreamsPerCaller);
      count(holder, 1);
      const controller = new AbortController();
      const onParent = () => controller.abort(parent.reason);
      if (parent.aborted) onParent();
      else parent.addEventListener("abort", onParent, { once: true });

      const timers: NodeJS.Timeout[] = [];
      const expireMs = caller?.expireTime?.getTime();
      if (expireMs !== undefined) {
        const check = () => {
          const leftMs = expireMs - clock.now();
          if (leftMs <= 0) controller.abort(new CredentialExpiredError());
          else timers[0] = setTimeout(check, Math.min(leftMs, MAX_TIMER_MS));
        };
        check();
      }
      if (caller && caller.credential !== "none" && revalidate) {
        let asking = false;
        let goodAt = performance.now();
        timers[1] = setInterval(() => {
          if (asking) return;
          asking = true;
          revalidate(caller)
            .then(() => {
              goodAt = performance.now();
            })
            .catch((error) => {
              // A database that is away for a moment is no reason to cut streams; one that stays away is.
              const isRefused = error instanceof SluiceError && error.kind !== "unavailable";
              if (isRefused || performance.now() - goodAt >= maxUnvalidatedMs) controller.abort(error);
            })
            .finally(() => {
              asking = false;
            });
        }, revalidateMs);
      }
      return {
        signal: controller.signal,
        release() {
          count(holder, -1);
          parent.removeEventListener("abort", onParent);
          for (const timer of timers) clearTimeout(timer);
        },
      };
    },
  };
}
