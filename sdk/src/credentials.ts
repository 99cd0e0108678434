import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { SluiceError } from "./errors.ts";

/** The tokens of a session. */
export interface SessionTokens {
  readonly accessToken: string;
  readonly refreshToken: string;
  /** When the access token ends, in milliseconds since the epoch. */
  readonly expireTimeMs: number;
}

/** Where tokens outlive the process, so that a login is not needed each time. */
export interface TokenStore {
  load(): Promise<SessionTokens | undefined>;
  save(tokens: SessionTokens): Promise<void>;
}

/** How a client proves who it is. At most one of them. */
export interface CredentialOptions {
  /** An API key, `slk_…`. */
  readonly apiKey?: string | undefined;
  /** An access token, or a function that is asked for one before each call. */
  readonly accessToken?: string | (() => string | Promise<string>) | undefined;
  /** Logs in at the first call and refreshes by itself. */
  readonly login?: { readonly email: string; readonly password: string } | undefined;
  /** Tokens of an earlier login; also keeps those of `login`. */
  readonly tokenStore?: TokenStore | undefined;
}

interface TokenAnswer {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly expireTime?: Timestamp | undefined;
}

/** The two calls that make tokens. */
export interface TokenCalls {
  login(request: { email: string; password: string }): Promise<TokenAnswer>;
  refresh(request: { refreshToken: string }): Promise<TokenAnswer>;
}

/** Gives the header `authorization`. */
export interface Credentials {
  header(): Promise<string | undefined>;
  /** The server refused this header; true if there may be a better one now. */
  refused(header: string | undefined): boolean;
}

/** An access token is renewed this long before its end, so that it does not end on the way. */
const EARLY_MS = 30_000;

/** @throws TypeError if more than one kind of credential is given */
export function createCredentials(options: CredentialOptions, calls: TokenCalls): Credentials {
  const { apiKey, accessToken, login, tokenStore } = options;
  if ([apiKey, accessToken, login ?? tokenStore].filter(Boolean).length > 1) {
    throw new TypeError("Give one of apiKey, accessToken and login, not several.");
  }
  if (login || tokenStore) return sessionCredentials(login, tokenStore, calls);
  if (typeof accessToken === "function") {
    return { header: async () => `Bearer ${await accessToken()}`, refused: () => false };
  }
  const token = apiKey ?? accessToken;
  return { header: async () => (token ? `Bearer ${token}` : undefined), refused: () => false };
}

function sessionCredentials(
  login: CredentialOptions["login"],
  store: TokenStore | undefined,
  calls: TokenCalls,
): Credentials {
  let tokens: SessionTokens | undefined;
  let flight: Promise<SessionTokens> | undefined;
  let bad: string | undefined;

  const usable = (t: SessionTokens | undefined) =>
    t && t.accessToken !== bad && t.expireTimeMs - EARLY_MS > Date.now() ? t : undefined;

  async function renew(): Promise<SessionTokens> {
    // Another process may have renewed them: a refresh token used twice ends the whole session.
    const stored = (await store?.load()) ?? tokens;
    const ready = usable(stored);
    if (ready) return ready;
    const answer = await obtain(stored?.refreshToken);
    const fresh: SessionTokens = {
      accessToken: answer.accessToken,
      refreshToken: answer.refreshToken,
      expireTimeMs: Number(answer.expireTime?.seconds ?? 0n) * 1000,
    };
    await store?.save(fresh);
    return fresh;
  }

  async function obtain(refreshToken: string | undefined): Promise<TokenAnswer> {
    if (refreshToken) {
      try {
        return await calls.refresh({ refreshToken });
      } catch (error) {
        const over = error instanceof SluiceError && error.code === "unauthenticated";
        if (!over || !login) throw error;
      }
    }
    if (login) return await calls.login({ email: login.email, password: login.password });
    throw new SluiceError({
      code: "unauthenticated",
      reason: "UNAUTHENTICATED",
      message: "Nobody is logged in; log in first, or give an API key.",
    });
  }

  return {
    async header() {
      const ready = usable(tokens);
      if (ready) return `Bearer ${ready.accessToken}`;
      flight ??= renew().finally(() => {
        flight = undefined;
      });
      tokens = await flight;
      return `Bearer ${tokens.accessToken}`;
    },
    refused(header) {
      // Each call asks once, so calls that were refused together renew together.
      if (tokens && header === `Bearer ${tokens.accessToken}`) bad = tokens.accessToken;
      return true;
    },
  };
}
