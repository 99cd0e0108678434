import type { Sql } from "../db/sql.ts";
import type { ExternalHolder } from "../lib/caller.ts";
import type { Clock } from "../lib/clock.ts";
import {
  type ExternalPrincipal,
  findExternalPrincipal,
  findKeyPrincipal,
  findSessionPrincipal,
  type KeyPrincipal,
  type SessionPrincipal,
} from "./principal-queries.ts";

/** A change made by another process is in force here after this, even if its notice is lost. */
const MAX_AGE_MS = 2_000;
const MAX_ENTRIES = 10_000;

/** Who is behind a session, a key or an external token, as it was at most 2 s ago. */
export interface Principals {
  session(id: string): Promise<SessionPrincipal | null>;
  key(id: string): Promise<KeyPrincipal | null>;
  external(holder: ExternalHolder): Promise<ExternalPrincipal | null>;
  /** Asks the database anew at the next call; `change` as it comes over the channel, none = for all. */
  invalidate(change?: string): void;
}

export function createPrincipals(sql: Sql, clock: Clock): Principals {
  const sessions = createCache((id: string) => findSessionPrincipal(sql, id), clock);
  const keys = createCache((id: string) => findKeyPrincipal(sql, id), clock);
  const externals = createCache((id: string) => findExternalPrincipal(sql, JSON.parse(id)), clock);
  return {
    session: sessions.get,
    key: keys.get,
    external: ({ issuer, subject, roles }) => externals.get(JSON.stringify({ issuer, subject, roles })),
    invalidate(change = "") {
      const [kind, id = ""] = change.split(":");
      if (kind === "session") sessions.drop(id);
      else if (kind === "key") keys.drop(id);
      else if (kind !== "signing_key") {
        sessions.clear();
        keys.clear();
        externals.clear();
      }
    },
  };
}

interface Cache<T> {
  get(id: string): Promise<T | null>;
  drop(id: string): void;
  clear(): void;
}

/** Concurrent calls share one look into the database; what is not found is not kept. */
function createCache<T>(find: (id: string) => Promise<T | null>, clock: Clock): Cache<T> {
  // In the order of insertion, which is the order of age.
  const entries = new Map<string, { readonly value: Promise<T | null>; readonly at: number }>();
  return {
    async get(id) {
      const known = entries.get(id);
      if (known && clock.now() - known.at < MAX_AGE_MS) return await known.value;
      entries.delete(id);
      const entry = { value: find(id), at: clock.now() };
      entries.set(id, entry);
      if (entries.size > MAX_ENTRIES) entries.delete(entries.keys().next().value as string);
      const forget = () => {
        if (entries.get(id) === entry) entries.delete(id);
      };
      entry.value.then((value) => value === null && forget(), forget);
      return await entry.value;
    },
    drop: (id) => void entries.delete(id),
    clear: () => entries.clear(),
  };
}
