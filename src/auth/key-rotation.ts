import type { Auditor } from "../audit/auditor.ts";
import { systemActor } from "../audit/model.ts";
import type { Database, Transaction } from "../db/sql.ts";
import type { SecretBox } from "../lib/secret-box.ts";
import { notifyChange } from "./change-queries.ts";
import { SigningKeyTooNewError } from "./errors.ts";
import { makeKey, openKey, signingKeyBox } from "./signing-key-pairs.ts";
import {
  advanceSigningKeys,
  condemnSigningKeys,
  insertSigningKey,
  listSigningKeys,
  lockSigningKeys,
  readSigningKeys,
  type SigningKeyInfo,
} from "./signing-key-queries.ts";

/** As long as others may keep the published keys (`max-age`), and the time until every process publishes them. */
const PUBLISHED_MS = 5 * 60_000 + 10_000;

/** Keeps the keys that access tokens are signed with: next → active → retired. */
export interface KeyRotation {
  /** Makes the first keys; of many processes at once, one does. */
  ensure(): Promise<void>;
  /**
   * Retires the active key, whose tokens stay good for their time, lets the next one sign, and makes a new next one; in
   * force on every process within 5 s.
   * @throws SigningKeyTooNewError if the next key was published less than 5 min ago, MasterKeyMismatchError
   */
  rotate(by: string): Promise<Rotation>;
  /** The same if the active key has signed for that long; null if it has not. */
  rotateOlder(activeForMs: number, by: string): Promise<Rotation | null>;
  /**
   * Condemns every key that there is and makes new ones: tokens that were signed with them are refused within 5 s, and
   * their holders refresh them. Others that check our tokens may take up to 5 min to know the new key.
   * @throws MasterKeyMismatchError
   */
  condemn(by: string): Promise<Rotation>;
  /** Newest first. */
  list(): Promise<SigningKeyInfo[]>;
}

export interface Rotation {
  /** The key that signs now. */
  readonly active: string;
  /** The one that did. */
  readonly retired: string;
}

export interface KeyRotationDeps {
  readonly db: Database;
  readonly audit: Auditor;
  readonly masterKey: Uint8Array;
}

export function createKeyRotation({ db, audit, masterKey }: KeyRotationDeps): KeyRotation {
  const box = signingKeyBox(masterKey);

  const record = async (tx: Transaction, { active, retired }: Rotation, by: string, compromised: boolean) => {
    await audit.record(tx, systemActor(by), {
      action: "signing_keys.rotate",
      resourceType: "signing_key",
      resourceId: active,
      details: { retired, compromised },
    });
    await notifyChange(tx, { kind: "signing_key", id: active });
    return { active, retired };
  };

  const advance = async (tx: Transaction, by: string): Promise<Rotation> => {
    const { active, next } = await currentKeys(tx, box);
    if (next.ageMs < PUBLISHED_MS) throw new SigningKeyTooNewError(PUBLISHED_MS - next.ageMs);
    await advanceSigningKeys(tx);
    await insertSigningKey(tx, await makeKey(box, "next"));
    return await record(tx, { active: next.kid, retired: active.kid }, by, false);
  };

  return {
    async ensure() {
      await db.begin(async (tx) => {
        await ensureKeys(tx, box);
      });
    },
    async rotate(by) {
      return await db.begin((tx) => advance(tx, by));
    },
    async rotateOlder(activeForMs, by) {
      return await db.begin(async (tx) => {
        const { active, next } = await currentKeys(tx, box);
        const isDue = (active.activeForMs ?? 0) >= activeForMs && next.ageMs >= PUBLISHED_MS;
        return isDue ? await advance(tx, by) : null;
      });
    },
    async condemn(by) {
      return await db.begin(async (tx) => {
        const { active } = await currentKeys(tx, box);
        await condemnSigningKeys(tx);
        const fresh = await makeKey(box, "active");
        await insertSigningKey(tx, fresh);
        await insertSigningKey(tx, await makeKey(box, "next"));
        return await record(tx, { active: fresh.kid, retired: active.kid }, by, true);
      });
    },
    list: async () => await listSigningKeys(db.sql),
  };
}

/** Waits for others who make keys, and keeps them waiting until the transaction ends. */
async function ensureKeys(tx: Transaction, box: SecretBox): Promise<void> {
  await lockSigningKeys(tx);
  const rows = await readSigningKeys(tx);
  for (const state of ["active", "next"] as const) {
    if (!rows.some((row) => row.state === state)) await insertSigningKey(tx, await makeKey(box, state));
  }
}

async function currentKeys(tx: Transaction, box: SecretBox) {
  await ensureKeys(tx, box);
  const signing = (await readSigningKeys(tx)).find(({ state }) => state === "active");
  const keys = await listSigningKeys(tx);
  const active = keys.find(({ state }) => state === "active");
  // The one that `advanceSigningKeys` takes.
  const next = keys.findLast(({ state }) => state === "next");
  if (!signing || !active || !next) throw new Error("the signing keys are not as they were made");
  // With another master key the new keys could be opened by none of the servers.
  await openKey(box, signing);
  return { active, next };
}
