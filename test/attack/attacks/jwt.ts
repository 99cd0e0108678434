import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { createSigningKeys } from "../../../src/auth/signing-keys.ts";
import { openDatabase } from "../../../src/db/sql.ts";
import { type Attack, ownOf, type Tried } from "../attack.ts";
import type { Target } from "../target.ts";
import { bearer, call, refused, served } from "../wire.ts";

type Fields = Readonly<Record<string, unknown>>;

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const es256 = (key: KeyObject) => (input: string) =>
  sign("sha256", Buffer.from(input), { key, dsaEncoding: "ieee-p1363" });
const hs256 = (secret: string | Buffer) => (input: string) =>
  createHmac("sha256", secret).update(input).digest();

function forge(header: Fields, claims: Fields, signature: (input: string) => Buffer): string {
  const input = `${part(header)}.${part(claims)}`;
  return `${input}.${signature(input).toString("base64url")}`;
}

const read = (token: string, at: number): Fields =>
  JSON.parse(Buffer.from(token.split(".")[at] ?? "", "base64url").toString());

const me = (target: Target, token: string) => call(target, "AuthService/GetCaller", {}, bearer(token));
const tryAll = async (
  target: Target,
  tokens: Readonly<Record<string, string | Promise<string>>>,
): Promise<Tried[]> =>
  await Promise.all(
    Object.entries(tokens).map(
      async ([what, token]) => await refused(what, me(target, await token), "unauthenticated"),
    ),
  );

/** Tokens that nobody signed who has the server's key. */
export const forgedTokens: Attack = {
  name: "JWT: alg none, HS256 with the public key, kid / jku / jwk tricks",
  async run(target) {
    const { accessToken } = target.alice;
    const [header, claims] = [read(accessToken, 0), { ...read(accessToken, 1), sub: target.admin.id }];
    const jwks = (await (await fetch(`${target.url}/.well-known/jwks.json`)).json()) as { keys: Fields[] };
    const key = jwks.keys.find(({ kid }) => kid === header.kid) ?? {};
    const mine = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const jwk = mine.publicKey.export({ format: "jwk" });
    const none = () => Buffer.alloc(0);
    const bytes = Buffer.concat([key.x, key.y].map((each) => Buffer.from(String(each), "base64url")));
    const [head = "", body = "", signature = ""] = accessToken.split(".");
    const lastOther =
      signature.slice(0, -1) +
      (signature.endsWith("A") ? "B" : String.fromCharCode(signature.charCodeAt(signature.length - 1) + 1));
    return [
      await served("the token as it was given", me(target, accessToken)),
      ...(await tryAll(target, {
        "alg none": forge({ ...header, alg: "none" }, claims, none),
        "alg nOnE": forge({ ...header, alg: "nOnE" }, claims, none),
        "alg left out": forge({ typ: header.typ, kid: header.kid }, claims, none),
        "no signature": `${head}.${body}.`,
        "HS256 with the public key as JSON": forge(
          { ...header, alg: "HS256" },
          claims,
          hs256(JSON.stringify(key)),
        ),
        "HS256 with the public key's bytes": forge({ ...header, alg: "HS256" }, claims, hs256(bytes)),
        "HS256 with an empty key": forge({ ...header, alg: "HS256" }, claims, hs256("")),
        "signed by another, with our kid": forge(header, claims, es256(mine.privateKey)),
        "signed by another, with its jwk": forge({ ...header, jwk }, claims, es256(mine.privateKey)),
        "signed by another, with a jku": forge(
          { ...header, jku: "https://keys.example.org/" },
          claims,
          es256(mine.privateKey),
        ),
        "signed by another, with an x5u": forge(
          { ...header, x5u: "https://keys.example.org/" },
          claims,
          es256(mine.privateKey),
        ),
        "kid that is a path": forge(
          { ...header, alg: "HS256", kid: "../../../../dev/null" },
          claims,
          hs256(""),
        ),
        "kid that is SQL": forge({ ...header, kid: "x' union select '" }, claims, es256(mine.privateKey)),
        "kid left out": forge({ alg: header.alg, typ: header.typ }, claims, es256(mine.privateKey)),
        "crit that nobody knows": forge({ ...header, crit: ["x"], x: 1 }, claims, es256(mine.privateKey)),
        "other claims under the same signature": `${head}.${part(claims)}.${signature}`,
        "the last bits spelled otherwise": `${head}.${body}.${lastOther}`,
        padded: `${accessToken}==`,
        "five parts": `${accessToken}.e30.e30`,
        "of 100,000 characters": `${head}.${"A".repeat(12_000)}.${signature}`,
      })),
    ];
  },
};

/** Tokens that the server's own key signed, and that say what none of its tokens says. */
export const oddClaims: Attack = {
  name: "JWT: exp and nbf forms, wrong aud, iss, typ",
  async run(target) {
    const { databaseUrl, masterKey } = ownOf(target);
    const db = openDatabase({
      url: databaseUrl,
      maxConnections: 1,
      statementTimeoutMs: 10_000,
      applicationName: "attack",
    });
    const { kid, privateKey } = await createSigningKeys({ db, masterKey, clock: { now: Date.now } })
      .active()
      .finally(() => db.close());
    const byServer = async (input: string) =>
      Buffer.from(
        await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, privateKey, Buffer.from(input)),
      );
    const claims = read(target.alice.accessToken, 1);
    const header = { ...read(target.alice.accessToken, 0), kid };
    const now = Math.floor(Date.now() / 1000);
    const signed = async (changed: Fields, head: Fields = {}): Promise<string> => {
      const input = `${part({ ...header, ...head })}.${part({ ...claims, ...changed })}`;
      return `${input}.${(await byServer(input)).toString("base64url")}`;
    };
    const without = (name: string) => signed({ [name]: undefined });
    return [
      await served(
        "a token that says what ours say",
        signed({}).then((token) => me(target, token)),
      ),
      ...(await tryAll(target, {
        "without exp": without("exp"),
        "exp as text": signed({ exp: String(now + 600) }),
        "exp in the past": signed({ exp: now - 60 }),
        "exp negative": signed({ exp: -1 }),
        "exp 1e20": signed({ exp: 1e20 }),
        "exp in a year": signed({ exp: now + 31_536_000 }),
        "nbf in the future": signed({ nbf: now + 3_600 }),
        "nbf as text": signed({ nbf: "soon" }),
        "iat in the future": signed({ iat: now + 3_600, exp: now + 4_000 }),
        "iat long ago": signed({ iat: now - 7_200 }),
        "without iat": without("iat"),
        "another audience": signed({ aud: "somebody-else" }),
        "without an audience": without("aud"),
        "another issuer": signed({ iss: "https://evil.example.org" }),
        "without an issuer": without("iss"),
        "typ JWT": signed({}, { typ: "JWT" }),
        "typ left out": signed({}, { typ: undefined }),
        "typ of an id token": signed({}, { typ: "id_token+jwt" }),
        "without a session": without("sid"),
        "the session of somebody else": signed({ sub: target.admin.id }),
        "an older version of the user": signed({ ver: Number(claims.ver) - 1 }),
        "a version that is no number": signed({ ver: "1" }),
      })),
    ];
  },
};
