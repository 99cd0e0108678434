import { importJWK } from "jose";
import type { Database, Sql } from "../db/sql.ts";
import type { Clock } from "../lib/clock.ts";
import type { Lifecycle } from "../lib/lifecycle.ts";
import { createPeriodic } from "../lib/periodic.ts";
import { CHANGE_CHANNEL } from "./change-queries.ts";
import { ALGORITHM, openKey, signingKeyBox } from "./signing-key-pairs.ts";
import { readSigningKeys, type SigningKeyRow } from "./signing-key-queries.ts";

/** How often the keys are read anew, should a notice of a change be lost. */
const POLL_MS = 3_000;
/** Keys that could not be read anew for this long are not relied on. */
const MAX_AGE_MS = 5_000;
/** Unknown key ids make it look at once, but no more often than this. */
const UNKNOWN_REFRESH_MS = 1_000;

/** The keys that access tokens are signed with, as the database has them; private parts are encrypted there. */
export interface SigningKeys extends Lifecycle {
  /** Reads the keys. Afterwards it follows them. @throws MasterKeyMismatchError */
  start(): Promise<void>;
  /** The key to sign with. */
  active(): Promise<{ readonly kid: string; readonly privateKey: CryptoKey }>;
  /** The public key with this id; null if there is none, or it is retired or condemned. At most 5 s old. */
  find(kid: string): Promise<CryptoKey | null>;
  /** The public keys, as a JWK set; the next key is among them before it signs. */
  jwks(): Promise<{ readonly keys: readonly object[] }>;
}

type SigningKey = { readonly kid: string; readonly privateKey: CryptoKey };

interface Loaded {
  readonly rows: readonly SigningKeyRow[];
  readonly publicKeys: ReadonlyMap<string, CryptoKey>;
  readonly active: SigningKey | null;
}

export interface SigningKeysDeps {
  readonly db: Database;
  readonly masterKey: Uint8Array;
  readonly clock: Clock;
}

export function createSigningKeys({ db, masterKey, clock }: SigningKeysDeps): SigningKeys {
  const box = signingKeyBox(masterKey);
  let latest: Loaded | null = null;
  let loading: Promise<Loaded> | null = null;
  let loadedAt = Number.NEGATIVE_INFINITY;

  const load = async (sql: Sql): Promise<Loaded> => {
    const rows = await readSigningKeys(sql);
    const publicKeys = new Map<string, CryptoKey>();
    for (const { kid, publicJwk } of rows) {
      const key = latest?.publicKeys.get(kid) ?? (await importJWK(publicJwk, ALGORITHM));
      publicKeys.set(kid, key as CryptoKey);
    }
    const row = rows.find(({ state }) => state === "active");
    const active = row && (latest?.active?.kid === row.kid ? latest.active : await openKey(box, row));
    return { rows, publicKeys, active: active ?? null };
  };

  const reload = async (): Promise<Loaded> => {
    const begunAt = clock.now();
    loading ??= load(db.sql)
      .then((loaded) => {
        loadedAt = begunAt;
        latest = loaded;
        return loaded;
      })
      .finally(() => {
        loading = null;
      });
    return await loading;
  };
  /** Whoever needs the keys tells of the failure. */
  const refresh = async (): Promise<void> => {
    await reload().catch(() => {});
  };
  const poll = createPeriodic(refresh, POLL_MS);

  return {
    async start() {
      await reload();
      const changed = (change = "") => void (change.startsWith("signing_key:") && refresh());
      await db.listen(CHANGE_CHANNEL, changed, () => void refresh());
      await poll.start();
    },
    stop: poll.stop,
    async active() {
      // Not read anew here: callers hold a connection to the database, and one that waited for another could wait for ever.
      const { active } = latest ?? (await reload());
      if (!active) throw new Error("there is no active signing key");
      return active;
    },
    async find(kid) {
      const known = clock.now() - loadedAt < MAX_AGE_MS ? latest : null;
      const key = (known ?? (await reload())).publicKeys.get(kid);
      if (key || clock.now() - loadedAt < UNKNOWN_REFRESH_MS) return key ?? null;
      return (await reload()).publicKeys.get(kid) ?? null;
    },
    async jwks() {
      const { rows } = latest ?? (await reload());
      return { keys: rows.map(({ publicJwk }) => publicJwk) };
    },
  };
}
