import { randomBytes } from "node:crypto";
import { createContext, runInContext } from "node:vm";
import { build } from "esbuild";
import { Webhook } from "standardwebhooks";
import { expect, test } from "vitest";
import {
  type VerifyWebhookOptions,
  verifyWebhook,
  WebhookVerificationError,
} from "../../../sdk/src/webhooks.ts";
import { beginSignature, signatureOf, signingKey } from "../../../src/lib/standard-webhooks.ts";
import { EVENT_TYPES } from "../../../src/webhooks/event-types.ts";
import { newSecret } from "../../../src/webhooks/secrets.ts";

const ID = "0199d2a4-7c1e-7b3a-9f52-6d1c0e8a4b17";
const NOW = 1_800_000_000_000;
const SECRET = newSecret();
const EVENT = { type: "webhook.test", version: "v1", time: "2026-01-15T09:30:00.000Z", webhook: { id: "ü" } };
const BODY = JSON.stringify(EVENT);

/** As the server signs. */
function signed(body: string | Buffer = BODY, { secrets = [SECRET], id = ID, atMs = NOW } = {}) {
  const timestamp = atMs / 1_000;
  return {
    "webhook-id": id,
    "webhook-timestamp": String(timestamp),
    "webhook-signature": secrets
      .map((secret) => signatureOf(beginSignature(signingKey(secret), id, timestamp).update(body)))
      .join(" "),
  };
}

const verify = (
  headers: Parameters<typeof verifyWebhook>[0],
  body: Parameters<typeof verifyWebhook>[1] = BODY,
  secret: string | readonly string[] = SECRET,
  options: VerifyWebhookOptions = {},
) => verifyWebhook(headers, body, secret, { nowMs: NOW, ...options });

const refusal = async (verifying: Promise<unknown>): Promise<string> => {
  const error = await verifying.then(
    () => "nothing",
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(WebhookVerificationError);
  return (error as WebhookVerificationError).reason;
};

test("what the server signs is verified, whatever form headers and body have", async () => {
  const headers = signed();
  const bytes = Buffer.from(BODY);
  const upper = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toUpperCase(), [value]]),
  );
  for (const form of [headers, new Headers(headers), upper]) {
    for (const body of [BODY, bytes, new Uint8Array(bytes), new Uint8Array(bytes).buffer]) {
      expect(await verify(form, body)).toEqual({ id: ID, signTime: new Date(NOW), event: EVENT });
    }
  }
});

test("every type of event there is comes out as its example has it", async () => {
  for (const { example } of EVENT_TYPES) {
    const body = JSON.stringify(example);
    expect((await verify(signed(body), body)).event).toEqual(example);
  }
});

test("what the official package signs is verified, and it verifies what the server signs", async () => {
  const official = new Webhook(SECRET);
  const at = new Date();
  const theirs = {
    "webhook-id": "msg_1",
    "webhook-timestamp": String(Math.floor(at.getTime() / 1_000)),
    "webhook-signature": official.sign("msg_1", at, BODY),
  };
  expect((await verifyWebhook(theirs, BODY, SECRET)).event).toEqual(EVENT);
  const atMs = Math.floor(Date.now() / 1_000) * 1_000;
  expect(official.verify(BODY, signed(BODY, { atMs }))).toEqual(EVENT);
});

test("the official package and this one refuse the same altered calls", async () => {
  const atMs = Math.floor(Date.now() / 1_000) * 1_000;
  const good = signed(BODY, { atMs });
  const seconds = Number(good["webhook-timestamp"]);
  const calls: [headers: Record<string, string>, body: string][] = [
    [good, `${BODY} `],
    [good, BODY.replace("test", "fest")],
    [{ ...good, "webhook-id": `${ID}0` }, BODY],
    [{ ...good, "webhook-timestamp": String(seconds - 1) }, BODY],
    [{ ...good, "webhook-signature": good["webhook-signature"].slice(0, -1) }, BODY],
    [{ ...good, "webhook-signature": good["webhook-signature"].replace("v1,", "v2,") }, BODY],
    [
      { ...good, "webhook-signature": signed(BODY, { atMs, secrets: [newSecret()] })["webhook-signature"] },
      BODY,
    ],
    [signed(BODY, { atMs: atMs - 400_000 }), BODY],
    [signed(BODY, { atMs: atMs + 400_000 }), BODY],
  ];
  const official = new Webhook(SECRET);
  for (const [headers, body] of calls) {
    expect(() => official.verify(body, headers)).toThrow();
    await refusal(verifyWebhook(headers, body, SECRET));
  }
});

test("while a secret is changed, the old one, the new one and both verify", async () => {
  const next = newSecret();
  const both = signed(BODY, { secrets: [next, SECRET] });
  for (const secret of [SECRET, next, [newSecret(), next], [SECRET, next]])
    expect((await verify(both, BODY, secret)).id).toBe(ID);
  expect((await verify(signed(), BODY, [next, SECRET])).id).toBe(ID);
  expect(await refusal(verify(both, BODY, newSecret()))).toBe("SIGNATURE_MISMATCH");
  const mixed = { ...both, "webhook-signature": `v1a,abc  v9 ${both["webhook-signature"]} v1,` };
  expect((await verify(mixed)).id).toBe(ID);
});

test("a call that was signed too long ago, or ahead of the time, is refused; how much is tolerated can be set", async () => {
  const five = 5 * 60_000;
  for (const atMs of [NOW - five, NOW + five]) expect((await verify(signed(BODY, { atMs }))).id).toBe(ID);
  expect(await refusal(verify(signed(BODY, { atMs: NOW - five - 1_000 })))).toBe("TOO_OLD");
  expect(await refusal(verify(signed(BODY, { atMs: NOW + five + 1_000 })))).toBe("TOO_NEW");
  const minuteOld = signed(BODY, { atMs: NOW - 60_000 });
  expect(await refusal(verify(minuteOld, BODY, SECRET, { toleranceMs: 59_000 }))).toBe("TOO_OLD");
  expect((await verify(minuteOld, BODY, SECRET, { toleranceMs: 60_000 })).id).toBe(ID);
  expect(await refusal(verify(signed(), BODY, SECRET, { toleranceMs: Number.NaN }))).toBe("TOO_OLD");
});

test("headers that are missing, there twice or of another form are refused", async () => {
  const good = signed();
  const wrong: Record<string, string | string[] | undefined>[] = [
    ...Object.keys(good).map((name) => ({ ...good, [name]: undefined })),
    ...Object.keys(good).map((name) => ({ ...good, [name]: "" })),
    ...Object.entries(good).map(([name, value]) => ({ ...good, [name]: [value, value] })),
    ...Object.entries(good).map(([name, value]) => ({ ...good, [name.toUpperCase()]: value })),
    ...[
      "1e9",
      "-1",
      " 1800000000",
      "1800000000.5",
      "0x6b49d200",
      "1800000000, 1800000000",
      "9".repeat(40),
    ].map((timestamp) => ({ ...good, "webhook-timestamp": timestamp })),
    { ...good, "webhook-id": `${ID}.1800000000` },
  ];
  for (const headers of wrong) expect(await refusal(verify(headers))).toBe("HEADERS_INVALID");
  expect(await refusal(verify(new Headers()))).toBe("HEADERS_INVALID");
});

test("a body that is signed and no event is refused as such", async () => {
  const bodies = [
    "",
    "null",
    "1",
    "[]",
    "{}",
    '{"type":1,"version":"v1","time":""}',
    "{",
    Buffer.from([0xff]),
  ];
  for (const body of bodies) expect(await refusal(verify(signed(body), body))).toBe("PAYLOAD_INVALID");
});

test("a secret that is none, and a body that was parsed, are the caller's own mistakes", async () => {
  const short = `whsec_${randomBytes(23).toString("base64")}`;
  for (const secret of ["", "whsec_", short, SECRET.slice(6), `${SECRET}=`, undefined as unknown as string])
    await expect(verify(signed(), BODY, [secret]), secret).rejects.toThrow(TypeError);
  await expect(verify(signed(), BODY, [])).rejects.toThrow(TypeError);
  await expect(verify(signed(), EVENT as unknown as string)).rejects.toThrow(/before|as it came/);
});

test("it stands alone, and needs nothing but what every runtime has", async () => {
  const entry = "sdk/src/webhooks.ts";
  const { metafile, outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    format: "iife",
    globalName: "sdk",
    platform: "neutral",
    write: false,
    metafile: true,
  });
  expect(Object.keys(metafile.inputs)).toEqual([entry]);
  const { crypto, TextEncoder, TextDecoder, atob, btoa } = globalThis;
  const edge = createContext({ crypto, TextEncoder, TextDecoder, atob, btoa });
  runInContext(outputFiles[0]!.text, edge);
  const call = { headers: signed(), body: BODY, secret: SECRET, options: { nowMs: NOW } };
  const verified = await runInContext(
    "(call) => sdk.verifyWebhook(call.headers, call.body, call.secret, call.options)",
    edge,
  )(call);
  expect(verified).toMatchObject({ id: ID, event: EVENT });
});
