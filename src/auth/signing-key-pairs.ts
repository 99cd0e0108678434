import { calculateJwkThumbprint, exportJWK, exportPKCS8, generateKeyPair, importPKCS8 } from "jose";
import type { Sql } from "../db/sql.ts";
import { createSecretBox, type SecretBox } from "../lib/secret-box.ts";
import { MasterKeyMismatchError } from "./errors.ts";
import { readSigningKeys, type SigningKeyRow, type SigningKeyState } from "./signing-key-queries.ts";

export const ALGORITHM = "ES256";

/** What the private parts of signing keys are encrypted with. */
export function signingKeyBox(masterKey: Uint8Array): SecretBox {
  return createSecretBox(masterKey, "signing-keys");
}

/** A new key; its id is the RFC 7638 thumbprint. */
export async function makeKey(box: SecretBox, state: SigningKeyState): Promise<SigningKeyRow> {
  const { publicKey, privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  const { kty = "", crv = "", x = "", y = "" } = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint({ kty, crv, x, y });
  const publicJwk = { kty, crv, x, y, kid, alg: ALGORITHM, use: "sig" };
  return { kid, publicJwk, privateKey: box.seal(await exportPKCS8(privateKey), kid), state };
}

/** @throws MasterKeyMismatchError */
export async function openKey(
  box: SecretBox,
  { kid, privateKey }: Pick<SigningKeyRow, "kid" | "privateKey">,
): Promise<{ readonly kid: string; readonly privateKey: CryptoKey }> {
  let pem: string;
  try {
    pem = box.open(privateKey, kid).toString();
  } catch {
    throw new MasterKeyMismatchError();
  }
  return { kid, privateKey: await importPKCS8(pem, ALGORITHM) };
}

/** How many signing keys there are, and how many of them open with this master key. */
export async function tryMasterKey(
  sql: Sql,
  masterKey: Uint8Array,
): Promise<{ readonly keys: number; readonly opened: number }> {
  const box = signingKeyBox(masterKey);
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
