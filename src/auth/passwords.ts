import { hash, verify } from "@node-rs/argon2";
import { createLimiter } from "../lib/limiter.ts";
import { PasswordsBusyError } from "./errors.ts";

/** argon2id (the library's default) as the OWASP Password Storage Cheat Sheet has it: 19 MiB, 2 passes. */
const PARAMETERS = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
const CURRENT = /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/;

/** Hashes and checks passwords, a few at a time. */
export interface Passwords {
  /** @throws PasswordsBusyError */
  hash(password: string): Promise<string>;
  /**
   * Takes the same time for `null` (an unknown or disabled user), and is then false. `stale`: the hash was made
   * with other parameters, so make a new one.
   * @throws PasswordsBusyError
   */
  verify(
    stored: string | null,
    password: string,
  ): Promise<{ readonly matches: boolean; readonly stale: boolean }>;
}

export interface PasswordsOptions {
  /** Hashes at once: as many as there are cores, so that logins leave room for other work. */
  readonly concurrency: number;
  /** Those that wait; more are refused. Default 32. */
  readonly maxWaiting?: number;
}

export function createPasswords({ concurrency, maxWaiting = 32 }: PasswordsOptions): Passwords {
  const limited = createLimiter(concurrency, { maxWaiting, full: () => new PasswordsBusyError() });
  // Made at once, so that the first unknown user is not told by a longer wait.
  const dummy = hash("no password hashes to this on purpose", PARAMETERS);
  dummy.catch(() => {});
  return {
    hash: (password) => limited(() => hash(normalize(password), PARAMETERS)),
    verify: (stored, password) =>
      limited(async () => {
        const matches = await verify(stored ?? (await dummy), normalize(password)).catch(() => false);
        return { matches: matches && stored !== null, stale: stored !== null && !CURRENT.test(stored) };
      }),
  };
}

/** The same password typed on another keyboard is the same password. */
function normalize(password: string): string {
  return password.normalize("NFC");
}
