import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { deriveKey } from "../lib/secret-box.ts";
import { CHAIN_START, type ChainPoint, frame } from "./chain.ts";

/** What retention has removed: a chain begins behind it. */
export interface Anchor extends ChainPoint {
  /** Entries before this instant are gone, also those with later numbers; null: none are. */
  readonly time: Date | null;
  /** The first checkpoint that is kept. */
  readonly number: number;
}

/** A signed statement: the chain had this hash at this number. */
export interface Checkpoint extends ChainPoint {
  /** Its own number, without gaps from 1. */
  readonly number: number;
  /** Entries since the checkpoint before. */
  readonly count: number;
  readonly time: Date;
  readonly anchor: Anchor;
  /** Empty for the first. */
  readonly previousSignature: Buffer;
  readonly signature: Buffer;
}

/** Of a chain from which nothing was removed. */
export const NO_ANCHOR: Anchor = { ...CHAIN_START, time: null, number: 1 };

/** Signs with Ed25519. Its key is outside the database, so that who can write there cannot sign. */
export interface AuditKey {
  readonly publicKey: KeyObject;
  /** @param statement what is signed, in one form only */
  sign(statement: Uint8Array): Buffer;
}

// RFC 8410: the head of the PKCS #8 form of an Ed25519 key; its 32 bytes follow.
const PKCS8_HEAD = Buffer.from("302e020100300506032b657004220420", "hex");

/** The key that signs checkpoints and exports, derived from the master key. */
export function createAuditKey(masterKey: Uint8Array): AuditKey {
  const der = Buffer.concat([PKCS8_HEAD, deriveKey(masterKey, "audit signatures")]);
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  return { publicKey: createPublicKey(key), sign: (statement) => sign(null, statement, key) };
}

/** The public key in PEM, as `openssl pkey -pubin` reads it. */
export function pemOf(key: KeyObject): string {
  return String(key.export({ format: "pem", type: "spki" }));
}

/** SHA-256 of the public key (SPKI, DER), in hexadecimal digits. */
export function fingerprintOf(key: KeyObject): string {
  return createHash("sha256")
    .update(key.export({ format: "der", type: "spki" }))
    .digest("hex");
}

export function signCheckpoint(key: AuditKey, checkpoint: Omit<Checkpoint, "signature">): Checkpoint {
  return { ...checkpoint, signature: key.sign(statementOf(checkpoint)) };
}

export function isSigned(key: KeyObject, checkpoint: Checkpoint): boolean {
  return verify(null, statementOf(checkpoint), key, checkpoint.signature);
}

/** The frame of `sluice.audit.checkpoint.v1` and of these fields in this order. */
function statementOf(checkpoint: Omit<Checkpoint, "signature">): Buffer {
  const { anchor } = checkpoint;
  return frame([
    "sluice.audit.checkpoint.v1",
    String(checkpoint.number),
    String(checkpoint.sequence),
    checkpoint.hash,
    String(checkpoint.count),
    checkpoint.time.toISOString(),
    String(anchor.sequence),
    anchor.hash,
    anchor.time?.toISOString() ?? null,
    String(anchor.number),
    checkpoint.previousSignature,
  ]);
}
