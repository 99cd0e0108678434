import { createHmac, generateKeyPairSync, type KeyObject, sign as signBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createExternalTokens, type ExternalTokens } from "../../../src/auth/external/external-tokens.ts";
import { createEgress } from "../../../src/egress/egress.ts";
import { parsePlaces } from "../../../src/lib/address-ranges.ts";
import { monotonicMs } from "../../../src/lib/clock.ts";
import type { OidcIssuer } from "../../../src/lib/oidc-issuers.ts";
import { AUDIENCE, startIssuer, type TestIssuer } from "../../support/oidc.ts";

/** Short, so that a new key is looked for soon. */
const COOLDOWN_MS = 200;
const SOON = { timeout: 10_000 };
const CLIENTS = { alice: { groups: ["documents"], name: "Alice" } };

const egress = createEgress({ policy: { ...parsePlaces(["127.0.0.0/8"]), allowHttp: false }, own: () => [] });
let offsetMs = 0;
let issuer: TestIssuer;

beforeAll(async () => {
  issuer = await startIssuer({ clients: CLIENTS });
});
afterAll(async () => {
  await issuer[Symbol.asyncDispose]();
  await egress.close();
});

const described = (url: string, more: Partial<OidcIssuer> = {}): OidcIssuer => ({
  issuer: url,
  audience: AUDIENCE,
  jwksUri: null,
  algorithms: ["RS256", "ES256"],
  claim: ["groups"],
  roles: new Map([["documents", ["developer"]]]),
  ...more,
});

function trusting(...issuers: OidcIssuer[]): ExternalTokens & { readonly problems: string[] } {
  const problems: string[] = [];
  const tokens = createExternalTokens({
    issuers,
    egress,
    clock: { now: () => Date.now() + offsetMs },
    now: monotonicMs,
    logger: { warn: ({ problem }: { problem: string }) => void problems.push(problem) } as never,
    cooldownMs: COOLDOWN_MS,
  });
  return { ...tokens, problems };
}

/** `ACCEPTED`, `FOREIGN` for a token of none of the issuers, or the reason of the refusal. */
const outcome = (tokens: ExternalTokens, text: string): Promise<string> =>
  tokens.verify(text).then(
    (identity) => (identity ? "ACCEPTED" : "FOREIGN"),
    (error: { reason?: string }) => error.reason ?? String(error),
  );

describe("a real issuer", () => {
  test("its keys are found by its discovery document, or where the operator says", async () => {
    for (const jwksUri of [null, `${issuer.url}/jwks`]) {
      const identity = await trusting(described(issuer.url, { jwksUri })).verify(await issuer.token("alice"));
      expect(identity).toMatchObject({
        issuer: issuer.url,
        subject: "alice",
        roles: ["developer"],
        displayName: "Alice",
      });
      expect(identity?.tokenId).not.toBe("");
    }
  });

  test("tokens for another audience, of a wrong time, and in another algorithm than configured are refused", async () => {
    const tokens = trusting(described(issuer.url));
    const text = await issuer.token("alice");
    expect(await outcome(tokens, await issuer.token("alice", "https://other.example/api"))).toBe(
      "CREDENTIAL_INVALID",
    );
    expect(await outcome(trusting(described(issuer.url, { algorithms: ["RS256"] })), text)).toBe(
      "CREDENTIAL_INVALID",
    );
    for (const [ms, expected] of [
      [0, "ACCEPTED"],
      [700_000, "CREDENTIAL_EXPIRED"],
      [-60_000, "CREDENTIAL_INVALID"],
    ] as const) {
      offsetMs = ms;
      expect(await outcome(tokens, text), `${ms}`).toBe(expected);
    }
    offsetMs = 0;
  });

  test("nobody else can sign in its name, and issuers that are not in the list are not asked", async () => {
    await using impostor = await startIssuer({ clients: CLIENTS, as: issuer.url });
    const tokens = trusting(described(issuer.url));
    expect(await outcome(tokens, await impostor.token("alice"))).toBe("CREDENTIAL_INVALID");
    await using stranger = await startIssuer({ clients: CLIENTS });
    expect(await outcome(tokens, await stranger.token("alice"))).toBe("FOREIGN");
    expect(await stranger.hits()).toEqual({ discovery: 0, keys: 0 });
    // The stranger's key in the name of the issuer whose keys are known, both of them trusted.
    const both = trusting(described(issuer.url), described(impostor.url));
    expect(await outcome(both, await impostor.token("alice"))).toBe("CREDENTIAL_INVALID");
  });

  test("a new key of its is found at the first token, and one that it withdrew is out with it", async () => {
    await using rotating = await startIssuer({ clients: CLIENTS });
    const tokens = trusting(described(rotating.url));
    const first = await rotating.token("alice");
    expect(await outcome(tokens, first)).toBe("ACCEPTED");
    await rotating.rotate("keep");
    const second = await rotating.token("alice");
    await expect.poll(() => outcome(tokens, second), SOON).toBe("ACCEPTED");
    expect(await outcome(tokens, first)).toBe("ACCEPTED");
    await rotating.rotate("drop");
    const third = await rotating.token("alice");
    await expect.poll(() => outcome(tokens, third), SOON).toBe("ACCEPTED");
    expect(await outcome(tokens, first)).toBe("CREDENTIAL_INVALID");
  });

  test("one that is down breaks no other, is told apart from a bad token, and is back by itself", async () => {
    const lost = await startIssuer({ clients: CLIENTS });
    const port = Number(new URL(lost.url).port);
    const text = await lost.token("alice");
    const knowing = trusting(described(lost.url));
    expect(await outcome(knowing, text)).toBe("ACCEPTED");
    await lost[Symbol.asyncDispose]();
    const tokens = trusting(described(lost.url), described(issuer.url));
    const refusal = await tokens.verify(text).catch((error) => error);
    expect(refusal).toMatchObject({ kind: "unavailable", reason: "ISSUER_UNAVAILABLE" });
    expect(refusal.message).toContain(lost.url);
    expect(await outcome(tokens, await issuer.token("alice"))).toBe("ACCEPTED");
    // The keys that are known already serve on.
    expect(await outcome(knowing, text)).toBe("ACCEPTED");
    await using back = await startIssuer({ clients: CLIENTS, port });
    const again = await back.token("alice");
    await expect.poll(() => outcome(tokens, again), SOON).toBe("ACCEPTED");
    expect(tokens.problems.length).toBeGreaterThan(0);
  });

  test("a flood of unknown key ids asks it once, not once a token", async () => {
    const tokens = createExternalTokens({
      issuers: [described(issuer.url)],
      egress,
      clock: { now: Date.now },
      now: monotonicMs,
      logger: { warn() {} } as never,
    });
    const [head = "", ...rest] = (await issuer.token("alice")).split(".");
    const header = JSON.parse(Buffer.from(head, "base64url").toString());
    const before = await issuer.hits();
    const flood = Array.from({ length: 200 }, (_, n) =>
      [Buffer.from(JSON.stringify({ ...header, kid: `k${n}` })).toString("base64url"), ...rest].join("."),
    );
    const outcomes = await Promise.all(flood.map((text) => outcome(tokens, text)));
    expect(new Set(outcomes)).toEqual(new Set(["CREDENTIAL_INVALID"]));
    expect((await issuer.hits()).keys - before.keys).toBe(1);
  });
});

test("whatever an issuer answers instead of keys, its tokens wait and nothing is harmed", async () => {
  const text = await issuer.token("alice");
  const [, claims = ""] = text.split(".");
  const answers: [problem: string, answer: RequestListener][] = [
    ["it answered with status 500", (_, response) => response.writeHead(500).end("{}")],
    [
      "it answered with status 302",
      (_, response) => response.writeHead(302, { location: `${issuer.url}/jwks` }).end(),
    ],
    ["its answer is not JSON", (_, response) => response.end("<html>")],
    ["its answer is no set of keys", (_, response) => response.end(JSON.stringify({ keys: "none" }))],
    ["its answer is no set of keys", (_, response) => response.end(JSON.stringify({ keys: [null] }))],
    [
      "its answer is larger than 262144 bytes",
      (_, response) => {
        const write = () => {
          while (!response.destroyed && response.write("x".repeat(65_536))) {}
        };
        response.on("drain", write);
        write();
      },
    ],
    [
      "its discovery document is of another issuer",
      (_, response) => response.end(JSON.stringify({ issuer: issuer.url, jwks_uri: `${issuer.url}/jwks` })),
    ],
  ];
  for (const [problem, answer] of answers) {
    const server = createServer(answer).listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const jwksUri = problem.includes("discovery") ? null : `${url}/jwks`;
    const tokens = trusting(described(url, { jwksUri }));
    const body = JSON.parse(Buffer.from(claims, "base64url").toString());
    const renamed = Buffer.from(JSON.stringify({ ...body, iss: url })).toString("base64url");
    expect(await outcome(tokens, text.replace(claims, renamed)), problem).toBe("ISSUER_UNAVAILABLE");
    expect(tokens.problems).toEqual([problem]);
    server.closeAllConnections();
    server.close();
  }
});

test("an issuer at an address that the server may not call is not called", async () => {
  const closed = createEgress({ policy: { ...parsePlaces([]), allowHttp: false }, own: () => [] });
  const problems: string[] = [];
  const tokens = createExternalTokens({
    issuers: [described(issuer.url)],
    egress: closed,
    clock: { now: Date.now },
    now: monotonicMs,
    logger: { warn: ({ problem }: { problem: string }) => void problems.push(problem) } as never,
  });
  const before = await issuer.hits();
  expect(await outcome(tokens, await issuer.token("alice"))).toBe("ISSUER_UNAVAILABLE");
  expect(problems).toEqual([expect.stringMatching(/may not call/)]);
  expect(await issuer.hits()).toEqual(before);
  await closed.close();
});

describe("a token whose signature is right", () => {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwks = {
    keys: [
      { ...publicKey.export({ format: "jwk" }), kid: "ec", alg: "ES256" },
      { ...rsa.publicKey.export({ format: "jwk" }), kid: "rsa" },
    ],
  };
  const server = createServer((_, response) => response.end(JSON.stringify(jwks)));
  let url = "";
  let tokens: ExternalTokens;

  beforeAll(async () => {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    tokens = trusting(described(url, { jwksUri: `${url}/jwks` }));
  });
  afterAll(() => {
    server.close();
  });

  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  function forge(header: object = {}, claims: object = {}, key: KeyObject = privateKey): string {
    const now = Math.floor(Date.now() / 1000);
    const body = { iss: url, aud: AUDIENCE, sub: "alice", iat: now, exp: now + 600, groups: ["documents"] };
    const input = `${encode({ alg: "ES256", kid: "ec", typ: "at+jwt", ...header })}.${encode({ ...body, ...claims })}`;
    const signature = signBytes("sha256", Buffer.from(input), { key, dsaEncoding: "ieee-p1363" });
    return `${input}.${signature.toString("base64url")}`;
  }
  const refusal = (header: object, claims: object = {}) => outcome(tokens, forge(header, claims));

  test("is accepted in the types that access tokens have, and in no other", async () => {
    for (const typ of ["at+jwt", "JWT", "application/at+jwt", "AT+JWT", undefined]) {
      expect(await refusal({ typ }), `${typ}`).toBe("ACCEPTED");
    }
    for (const typ of ["logout+jwt", "secevent+jwt", "dpop+jwt", "kb+jwt", "", null, 1]) {
      expect(await refusal({ typ }), `${typ}`).toBe("CREDENTIAL_INVALID");
    }
    expect(await outcome(tokens, forge({ alg: "RS256", kid: "rsa" }, {}, rsa.privateKey))).toBe("ACCEPTED");
  });

  test("is refused with alg none, with HMAC by a public key, and under the wrong key", async () => {
    const [, body = ""] = forge().split(".");
    for (const alg of ["none", "None", "HS256"]) {
      const input = `${encode({ alg, kid: "ec" })}.${body}`;
      const secrets = [
        publicKey.export({ format: "pem", type: "spki" }) as string,
        JSON.stringify(jwks.keys[0]),
      ];
      for (const secret of secrets) {
        const mac = createHmac("sha256", secret).update(input).digest("base64url");
        expect(await outcome(tokens, `${input}.${mac}`), alg).toBe("CREDENTIAL_INVALID");
      }
      expect(await outcome(tokens, `${input}.`), alg).not.toBe("ACCEPTED");
    }
    expect(await refusal({ alg: "RS256" })).toBe("CREDENTIAL_INVALID");
    expect(await refusal({ kid: "rsa" })).toBe("CREDENTIAL_INVALID");
    expect(await refusal({ alg: "ES384" })).toBe("CREDENTIAL_INVALID");
  });

  test("is refused when its header brings a key, names another place for it, or wants an extension", async () => {
    const own = publicKey.export({ format: "jwk" });
    for (const header of [
      { jwk: own },
      { jku: "https://evil.example/jwks" },
      { x5u: "https://evil.example" },
      { x5c: ["AA"] },
      { crit: ["b64"], b64: false },
      { b64: true },
      { zip: "DEF" },
      { cty: "JWT" },
      { kid: undefined },
      { kid: "" },
      { kid: ["ec"] },
      { kid: "../ec" },
    ]) {
      expect(await refusal(header), JSON.stringify(header)).toBe("CREDENTIAL_INVALID");
    }
  });

  test("is refused with claims that are missing, of another form, or bound to a proof", async () => {
    const now = Math.floor(Date.now() / 1000);
    for (const claims of [
      { sub: undefined },
      { sub: "" },
      { sub: 7 },
      { sub: "x".repeat(256) },
      { sub: "a\u0000b" },
      { sub: "ä" },
      { iat: undefined },
      { iat: now + 120 },
      { iat: now - 90_000 },
      { exp: undefined },
      { exp: "never" },
      { exp: 1e20 },
      { exp: now + 90_000 },
      { exp: now + 600.5 },
      { nbf: now + 120 },
      { nbf: "now" },
      { aud: undefined },
      { aud: ["other"] },
      { cnf: { jkt: "x" } },
    ]) {
      const what = JSON.stringify(claims);
      expect(await refusal({}, claims), what).not.toBe("ACCEPTED");
      if (!("iat" in claims && claims.iat === now - 90_000)) {
        expect(await refusal({}, claims), what).toBe("CREDENTIAL_INVALID");
      }
    }
    expect(await refusal({}, { aud: ["other", AUDIENCE] })).toBe("ACCEPTED");
    // Of none of the issuers: our own tokens' rules are for these.
    for (const iss of [`${url}/`, [url], undefined]) expect(await refusal({}, { iss })).toBe("FOREIGN");
  });

  test("is refused in any other spelling, and when it is too long", async () => {
    const text = forge();
    for (const spelling of [`${text}=`, ` ${text}`, `${text}\n`, text.replace(".", "..")]) {
      expect(await outcome(tokens, spelling)).toBe("FOREIGN");
    }
    expect(await refusal({}, { pad: "x".repeat(8_192) })).toBe("FOREIGN");
  });

  test("gives the roles of its claim and no others, and is refused without any", async () => {
    const rolesOf = async (groups: unknown) => (await tokens.verify(forge({}, { groups })))?.roles;
    expect(await rolesOf(["documents", "admin", 7, null, ["documents"]])).toEqual(["developer"]);
    expect(await rolesOf("documents")).toEqual(["developer"]);
    for (const groups of [
      undefined,
      [],
      "admin",
      ["Documents"],
      { documents: true },
      "documents ",
      "__proto__",
    ]) {
      expect(await refusal({}, { groups, roles: ["admin"] }), JSON.stringify(groups)).toBe(
        "PERMISSION_DENIED",
      );
    }
  });
});
