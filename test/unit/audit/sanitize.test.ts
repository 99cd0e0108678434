import fc from "fast-check";
import { expect, test } from "vitest";
import { fitDetails, MAX_DETAILS_BYTES } from "../../../src/audit/details.ts";
import { storableAddress } from "../../../src/audit/rows.ts";
import { cleanText } from "../../../src/audit/sanitize.ts";

const JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";

test("nothing that looks like a credential passes the last scrubber", () => {
  const secrets = [
    "slk_abcdefABCDEF_0123456789abcdef",
    "slr_Zm9v-YmFy_x",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    JWT,
    "Bearer abc.def",
    "-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----",
  ];
  for (const secret of secrets) {
    const clean = cleanText(`before ${secret} after`);
    expect(clean).toBe("before [redacted] after");
  }
});

test("a secret that the length limit would cut in two is redacted as a whole", () => {
  expect(cleanText(`${"x".repeat(250)} slk_abcdefABCDEF_0123456789`)).not.toContain("slk");
});

test("URLs keep neither userinfo nor query", () => {
  expect(cleanText("get https://me:pw@example.com/a?X-Signature=abc now")).toBe(
    "get https://example.com/a now",
  );
});

test("control characters are escaped and broken surrogates mended, so that any text can be stored and printed", () => {
  expect(cleanText("a\r\nb\u001b[31m\0")).toBe("a\\u000d\\u000ab\\u001b[31m\\u0000");
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 600 }), (text) => {
      const clean = cleanText(text);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: their absence is the promise
      expect(clean).not.toMatch(/[\u0000-\u001f\u007f]/);
      expect(clean.isWellFormed()).toBe(true);
      expect(clean.length).toBeLessThanOrEqual(256);
    }),
  );
});

test("fields named like a secret are redacted at every depth, in lists too", () => {
  const clean = fitDetails({
    password: "p",
    nested: { apiKey: "k", list: [{ refresh_token: ["t"] }] },
    name: "n",
  });
  expect(JSON.stringify(clean)).toBe(
    '{"password":"[redacted]","nested":{"apiKey":"[redacted]","list":[{"refresh_token":"[redacted]"}]},"name":"n"}',
  );
});

test("dates and big integers survive as JSON, and bytes as their number", () => {
  const clean = fitDetails({ data: new Uint8Array(3), at: new Date(0), n: 5n });
  expect(JSON.parse(JSON.stringify(clean))).toEqual({
    data: "[3 bytes]",
    at: "1970-01-01T00:00:00.000Z",
    n: "5",
  });
});

test("details never exceed 8 KiB, whatever they are made of", () => {
  const long = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`field${i}`, "é".repeat(400)]));
  const clean = fitDetails({ ...long, deep: { a: { b: { c: { d: { e: { f: { g: 1 } } } } } } } });
  expect(clean._truncated).toBe(true);
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.anything({ maxDepth: 8 })), (details) => {
      const text = JSON.stringify(fitDetails(details));
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(MAX_DETAILS_BYTES);
    }),
  );
  expect(Buffer.byteLength(JSON.stringify(clean))).toBeLessThanOrEqual(MAX_DETAILS_BYTES);
});

test("a name like __proto__ is stored as data and changes no object", () => {
  const clean = fitDetails(JSON.parse('{"a": {"__proto__": {"polluted": true}}}'));
  expect(JSON.stringify(clean)).toContain("polluted");
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});

test("only what is an address is stored as one", () => {
  expect(storableAddress("fe80::1%eth0")).toBe("fe80::1");
  expect(storableAddress("::ffff:10.0.0.1")).toBe("10.0.0.1");
  expect(storableAddress("unix:")).toBeNull();
  expect(storableAddress("1.2.3.4, 5.6.7.8")).toBeNull();
});
