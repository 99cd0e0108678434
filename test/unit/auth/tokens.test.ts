import { createHmac, createPrivateKey, sign as signBytes } from "node:crypto";
import { exportPKCS8, exportSPKI, generateKeyPair } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import { type AccessTokens, createAccessTokens } from "../../../src/auth/tokens.ts";

const ISSUER = "https://sluice.example";
const AUDIENCE = "sluice";
const KID = "k".repeat(43);
const USER = "01890a5d-ac96-774b-bcce-b302099a8057";
const SESSION = "01890a5d-ac96-774b-bcce-b302099a8058";
const NOW_MS = 1_700_000_000_000;
const NOW = NOW_MS / 1000;

let tokens: AccessTokens;
let spki: string;
let pkcs8: string;
let clockMs = NOW_MS;

beforeAll(async () => {
  const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
  spki = await exportSPKI(publicKey);
  pkcs8 = await exportPKCS8(privateKey);
  tokens = createAccessTokens({
    keys: {
      active: async () => ({ kid: KID, privateKey }),
      find: async (kid) => (kid === KID ? publicKey : null),
    },
    clock: { now: () => clockMs },
    issuer: ISSUER,
    audience: AUDIENCE,
  });
});

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const HEADER = { alg: "ES256", typ: "at+jwt", kid: KID };
const CLAIMS = {
  iss: ISSUER,
  aud: AUDIENCE,
  sub: USER,
  sid: SESSION,
  jti: "j",
  iat: NOW,
  exp: NOW + 600,
  roles: ["developer"],
  ver: 1,
};

/** A token with a right signature, whatever it says. */
function forge(header: object = {}, claims: object = {}, headerText?: string): string {
  const head = headerText ? Buffer.from(headerText).toString("base64url") : encode({ ...HEADER, ...header });
  const input = `${head}.${encode({ ...CLAIMS, ...claims })}`;
  const signature = signBytes("sha256", Buffer.from(input), {
    key: createPrivateKey(pkcs8),
    dsaEncoding: "ieee-p1363",
  });
  return `${input}.${signature.toString("base64url")}`;
}

const issue = () =>
  tokens.issue({
    userId: USER,
    sessionId: SESSION,
    tokenVersion: 3,
    roles: ["developer"],
    sessionEnd: new Date(NOW_MS + 86_400_000),
  });

async function refusal(text: string): Promise<string> {
  return await tokens.verify(text).then(
    () => "ACCEPTED",
    (error: { reason?: string }) => error.reason ?? String(error),
  );
}

test("a token that was issued is accepted and lives ten minutes", async () => {
  const { text, expireTime } = await issue();
  expect(expireTime.getTime()).toBe(NOW_MS + 600_000);
  expect(await tokens.verify(text)).toEqual({
    userId: USER,
    sessionId: SESSION,
    tokenVersion: 3,
    expireTime,
    keyId: KID,
  });
});

test("no token outlives its session", async () => {
  const sessionEnd = new Date(NOW_MS + 60_000);
  const { expireTime } = await tokens.issue({
    userId: USER,
    sessionId: SESSION,
    tokenVersion: 1,
    roles: [],
    sessionEnd,
  });
  expect(expireTime).toEqual(sessionEnd);
});

test("a token that is over is told from one that never held", async () => {
  const { text } = await issue();
  clockMs = NOW_MS + 620_000;
  expect(await refusal(text)).toBe("CREDENTIAL_EXPIRED");
  clockMs = NOW_MS;
  expect(await refusal(text)).toBe("ACCEPTED");
});

test("a token that was accepted before is refused as soon as its key is withdrawn, and when it is over", async () => {
  const { publicKey, privateKey } = await generateKeyPair("ES256");
  let withdrawn = false;
  let now = NOW_MS;
  const { issue, verify } = createAccessTokens({
    keys: {
      active: async () => ({ kid: KID, privateKey }),
      find: async () => (withdrawn ? null : publicKey),
    },
    clock: { now: () => now },
    issuer: ISSUER,
    audience: AUDIENCE,
  });
  const { text, expireTime } = await issue({
    userId: USER,
    sessionId: SESSION,
    tokenVersion: 1,
    roles: [],
    sessionEnd: new Date(NOW_MS + 86_400_000),
  });
  await verify(text);
  withdrawn = true;
  await expect(verify(text)).rejects.toMatchObject({ reason: "CREDENTIAL_INVALID" });
  withdrawn = false;
  now = expireTime.getTime() + 4_999;
  await expect(verify(text)).resolves.toMatchObject({ userId: USER });
  now = expireTime.getTime() + 5_000;
  await expect(verify(text)).rejects.toMatchObject({ reason: "CREDENTIAL_EXPIRED" });
});

describe("signatures", () => {
  test("the forger's control: a right signature over right claims is accepted", async () => {
    expect(await refusal(forge())).toBe("ACCEPTED");
  });

  test("alg none is refused in every spelling", async () => {
    for (const alg of ["none", "None", "NONE", "nOnE", ""]) {
      const input = `${encode({ ...HEADER, alg })}.${encode(CLAIMS)}`;
      for (const signature of ["", "AA"])
        expect(await refusal(`${input}.${signature}`)).toBe("CREDENTIAL_INVALID");
    }
  });

  test("HS256 with the public key as the secret is refused", async () => {
    for (const alg of ["HS256", "HS384", "HS512"]) {
      const input = `${encode({ ...HEADER, alg })}.${encode(CLAIMS)}`;
      const mac = createHmac(alg.replace("HS", "sha"), spki).update(input).digest("base64url");
      expect(await refusal(`${input}.${mac}`)).toBe("CREDENTIAL_INVALID");
    }
  });

  test("other algorithms are refused although the key could sign", async () => {
    for (const alg of ["RS256", "PS256", "ES384", "EdDSA", "es256"]) {
      expect(await refusal(forge({ alg }))).toBe("CREDENTIAL_INVALID");
    }
  });

  test("changed claims, another key's signature, and signatures of zeros are refused", async () => {
    const [head, body, signature] = forge().split(".");
    const changed = encode({ ...CLAIMS, sub: SESSION });
    expect(await refusal(`${head}.${changed}.${signature}`)).toBe("CREDENTIAL_INVALID");
    const zeros = Buffer.alloc(64).toString("base64url");
    expect(await refusal(`${head}.${body}.${zeros}`)).toBe("CREDENTIAL_INVALID");
    const other = await generateKeyPair("ES256", { extractable: true });
    const foreign = signBytes("sha256", Buffer.from(`${head}.${body}`), {
      key: createPrivateKey(await exportPKCS8(other.privateKey)),
      dsaEncoding: "ieee-p1363",
    });
    expect(await refusal(`${head}.${body}.${foreign.toString("base64url")}`)).toBe("CREDENTIAL_INVALID");
  });
});

describe("headers", () => {
  test("a key id that is missing, unknown, a path or an injection is refused", async () => {
    const kids = [
      undefined,
      "",
      "x".repeat(43),
      "../../../dev/null",
      "' or 1=1 --",
      1,
      null,
      [KID],
      { kid: KID },
    ];
    for (const kid of kids) expect(await refusal(forge({ kid }))).toBe("CREDENTIAL_INVALID");
  });

  test("headers that name keys or demand extensions are refused", async () => {
    const tricks = {
      jku: "https://evil.example",
      jwk: { kty: "EC" },
      x5u: "https://evil.example",
      x5c: ["AA"],
      crit: ["b64"],
      b64: false,
      zip: "DEF",
      cty: "JWT",
    };
    for (const [name, value] of Object.entries(tricks)) {
      expect(await refusal(forge({ [name]: value }))).toBe("CREDENTIAL_INVALID");
    }
  });

  test("another typ is refused, so that no other token of ours passes for an access token", async () => {
    for (const typ of ["JWT", "at+JWT", "application/at+jwt", "secevent+jwt", undefined, null]) {
      expect(await refusal(forge({ typ }))).toBe("CREDENTIAL_INVALID");
    }
  });

  test("headers that are no object are refused", async () => {
    for (const text of ["null", "[]", '"x"', "{", "", '{"__proto__":{"alg":"ES256"}}']) {
      expect(await refusal(forge({}, {}, text || " "))).toBe("CREDENTIAL_INVALID");
    }
  });
});

describe("claims", () => {
  test("wrong or missing issuer and audience are refused", async () => {
    for (const iss of ["https://evil.example", "", undefined, [ISSUER], `${ISSUER}/`]) {
      expect(await refusal(forge({}, { iss }))).toBe("CREDENTIAL_INVALID");
    }
    for (const aud of ["other", "", undefined, ["other"], []]) {
      expect(await refusal(forge({}, { aud }))).toBe("CREDENTIAL_INVALID");
    }
  });

  test("every claim that is needed is required, in its type", async () => {
    for (const name of ["sub", "sid", "jti", "iat", "exp", "ver"]) {
      for (const value of [undefined, null, {}, [], true]) {
        expect(await refusal(forge({}, { [name]: value })), `${name}: ${value}`).not.toBe("ACCEPTED");
      }
    }
    expect(await refusal(forge({}, { sub: "admin" }))).toBe("CREDENTIAL_INVALID");
  });

  test("no form of exp makes a token live long", async () => {
    for (const exp of [
      1e20,
      NOW + 901,
      NOW + 10 ** 9,
      Number.MAX_SAFE_INTEGER,
      `${NOW + 600}`,
      NOW + 0.5,
      "never",
    ]) {
      expect(await refusal(forge({}, { exp })), `${exp}`).toBe("CREDENTIAL_INVALID");
    }
    for (const exp of [0, -1, NOW - 6]) {
      expect(await refusal(forge({}, { exp })), `${exp}`).toBe("CREDENTIAL_EXPIRED");
    }
  });

  test("tokens from the future or from long ago are refused", async () => {
    for (const claims of [{ nbf: NOW + 60 }, { nbf: "now" }, { iat: NOW + 60, exp: NOW + 600 }]) {
      expect(await refusal(forge({}, claims))).toBe("CREDENTIAL_INVALID");
    }
    expect(await refusal(forge({}, { iat: NOW - 1_000 }))).not.toBe("ACCEPTED");
    expect(await refusal(forge({}, { iat: 0 }))).not.toBe("ACCEPTED");
  });
});

describe("form", () => {
  test("one token has one spelling", async () => {
    const text = forge();
    const last = text.at(-1) ?? "";
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // 64 bytes leave 4 unused bits in the last character: the next ones decode to the same bytes.
    const twin = text.slice(0, -1) + alphabet[alphabet.indexOf(last) + 1];
    const spellings = [
      `${text} `,
      ` ${text}`,
      `${text}=`,
      `${text}\n`,
      twin,
      text.replace(/\./, ".."),
      `${text}.`,
    ];
    for (const spelling of spellings) expect(await refusal(spelling)).toBe("CREDENTIAL_INVALID");
  });

  test("tokens that are too long are refused before anything is decoded", async () => {
    expect(await refusal(forge({}, { pad: "x".repeat(5_000) }))).toBe("CREDENTIAL_INVALID");
  });
});
