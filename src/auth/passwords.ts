import { hash, verify } from "@node-rs/argon2";
import { createLimiter } from "../lib/limiter.ts";
import { PasswordsBusyError } from "./errors.ts";

/** argon2id (the library's default) as the OWASP Password Storage Cheat Sheet has it: 19 MiB, 2 passes. */
const PARAMETERS = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
const CURRENT = /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/;

/**
 * Hashes at once on a machine: each takes 19 MiB, a core, and one of the four threads on which Node also checks tokens and
 * reads files. One core is left to the calls that are no logins.
 */
export function hashesAtOnce(cores: number): number {
  return Math.min(2, Math.max(1, cores - 1));
}

/** Hashes and checks passwords, a few at a time. */
export interface Passwords {
  /** @throws PasswordsBusyError */
  hash(password: string): Promise<string>;
  /**
   * Takes the same time for `null` (an unknown or disabled user), and is then false. `stale`: the hash was made
   * with other parameters, so make a new one.
   * @param network of whoever asks, so that one cannot take all the places of those that wait
   * @throws PasswordsBusyError
   */
  verify(
    stored: string | null,
    password: string,
    network: string,
  ): Promise<{ readonly matches: boolean; readonly stale: boolean }>;
}

export interface PasswordsOptions {
  /** Hashes at once. */
  readonly concurrency: number;
}

/** Those that wait, and those of one network; more are refused. */
const MAX_WAITING = { maxWaiting: 32, maxWaitingEach: 16 };

export function createPasswords({ concurrency }: PasswordsOptions): Passwords {
  const limited = createLimiter(concurrency, { ...MAX_WAITING, full: () => new PasswordsBusyError() });
  // Made at once, so that the first unknown user is not told by a longer wait.
  const dummy = hash("no password hashes to this on purpose", PARAMETERS);
  dummy.catch(() => {});
  return {
    hash: (password) => limited(() => hash(normalize(password), PARAMETERS)),
    verify: (stored, password, network) =>
      limited(async () => {
        const matches = await verify(stored ?? (await dummy), normalize(password)).catch(() => false);
        return { matches: matches && stored !== null, stale: stored !== null && !CURRENT.test(stored) };
      }, network),
  };
}

/** The same password typed on another keyboard is the same password. */
function normalize(password: string): string {
  return password.normalize("NFC");
}
