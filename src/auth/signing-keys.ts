import {
  calculateJwkThumbprint,
  exportJWK,
  exportPKCS8,
  generateKeyPair,
  importJWK,
  importPKCS8,
} from "jose";
import type { Database, Sql } from "../db/sql.ts";
import type { Clock } from "../lib/clock.ts";
import { createSecretBox, type SecretBox } from "../lib/secret-box.ts";
import { MasterKeyMismatchError } from "./errors.ts";
import {
  advanceSigningKeys,
  insertSigningKey,
  lockSigningKeys,
  readSigningKeys,
  type SigningKeyRow,
  type SigningKeyState,
} from "./signing-key-queries.ts";

export const ALGORITHM = "ES256";
const PURPOSE = "signing-keys";
/** How long a process may not know of a key that another one made. */
const REFRESH_MS = 60_000;
/** Unknown key ids make it look at once, but no more often than this. */
const UNKNOWN_REFRESH_MS = 5_000;

/** The keys that access tokens are signed with; kept in the database, the private parts encrypted. */
export interface SigningKeys {
  /** Makes the first keys; then all processes share them. @throws MasterKeyMismatchError */
  ensure(): Promise<void>;
  /** The key to sign with. */
  active(): Promise<{ readonly kid: string; readonly privateKey: CryptoKey }>;
  /** The public key with this id; null if there is none or it is retired. */
  find(kid: string): Promise<CryptoKey | null>;
  /** The public keys, as a JWK set; the next key is among them before it signs. */
  jwks(): Promise<{ readonly keys: readonly object[] }>;
  /** Retires the active key, lets the next one sign, and makes a new next one. */
  rotate(): Promise<void>;
}

interface Loaded {
  readonly rows: readonly SigningKeyRow[];
  readonly publicKeys: ReadonlyMap<string, CryptoKey>;
  readonly active: { readonly kid: string; readonly privateKey: CryptoKey } | null;
}

export interface SigningKeysDeps {
  readonly db: Database;
  readonly masterKey: Uint8Array;
  readonly clock: Clock;
}

export function createSigningKeys({ db, masterKey, clock }: SigningKeysDeps): SigningKeys {
  const box = createSecretBox(masterKey, PURPOSE);
  let latest: Loaded | null = null;
  let loading: Promise<Loaded> | null = null;
  let loadedAt = Number.NEGATIVE_INFINITY;

  const reload = (): Promise<Loaded> => {
    loadedAt = clock.now();
    loading ??= load(db.sql, box)
      .then((loaded) => (latest = loaded))
      .finally(() => {
        loading = null;
      });
    return loading;
  };

  /**
   * The keys as they were known, while newer ones are fetched beside: callers hold a database connection, and one
   * that waited for another could wait for ever.
   */
  const known = async (): Promise<Loaded> => {
    if (!latest) return await reload();
    if (clock.now() - loadedAt >= REFRESH_MS) reload().catch(() => {});
    return latest;
  };

  return {
    async ensure() {
      await db.begin(async (tx) => {
        await lockSigningKeys(tx);
        const rows = await readSigningKeys(tx);
        if (!rows.some(({ state }) => state === "active"))
          await insertSigningKey(tx, await makeKey(box, "active"));
        if (!rows.some(({ state }) => state === "next"))
          await insertSigningKey(tx, await makeKey(box, "next"));
      });
      await reload();
    },
    async active() {
      const { active } = await known();
      if (!active) throw new Error("there is no active signing key");
      return active;
    },
    async find(kid) {
      const key = (await known()).publicKeys.get(kid);
      if (key || clock.now() - loadedAt < UNKNOWN_REFRESH_MS) return key ?? null;
      return (await reload()).publicKeys.get(kid) ?? null;
    },
    async jwks() {
      const { rows } = await known();
      return { keys: rows.map(({ publicJwk }) => publicJwk) };
    },
    async rotate() {
      await db.begin(async (tx) => {
        await lockSigningKeys(tx);
        await advanceSigningKeys(tx);
        await insertSigningKey(tx, await makeKey(box, "next"));
      });
      await reload();
    },
  };
}

/** How many signing keys there are, and how many of them open with this master key. */
export async function tryMasterKey(
  sql: Sql,
  masterKey: Uint8Array,
): Promise<{ readonly keys: number; readonly opened: number }> {
  const box = createSecretBox(masterKey, PURPOSE);
  const rows = await readSigningKeys(sql);
  const opens = ({ kid, privateKey }: SigningKeyRow): boolean => {
    try {
      box.open(privateKey, kid);
      return true;
    } catch {
      return false;
    }
  };
  return { keys: rows.length, opened: rows.filter(opens).length };
}

async function load(sql: Sql, box: SecretBox): Promise<Loaded> {
  const rows = await readSigningKeys(sql);
  const publicKeys = new Map<string, CryptoKey>();
  for (const { kid, publicJwk } of rows) {
    publicKeys.set(kid, (await importJWK(publicJwk, ALGORITHM)) as CryptoKey);
  }
  const active = rows.find(({ state }) => state === "active");
  return { rows, publicKeys, active: active ? await openKey(box, active) : null };
}

async function makeKey(box: SecretBox, state: SigningKeyState): Promise<SigningKeyRow> {
  const { publicKey, privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  const { kty = "", crv = "", x = "", y = "" } = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint({ kty, crv, x, y });
  const publicJwk = { kty, crv, x, y, kid, alg: ALGORITHM, use: "sig" };
  return { kid, publicJwk, privateKey: box.seal(await exportPKCS8(privateKey), kid), state };
}

async function openKey(box: SecretBox, { kid, privateKey }: SigningKeyRow) {
  let pem: string;
  try {
    pem = box.open(privateKey, kid).toString();
  } catch {
    throw new MasterKeyMismatchError();
  }
  return { kid, privateKey: await importPKCS8(pem, ALGORITHM) };
}
