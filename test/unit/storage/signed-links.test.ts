import fc from "fast-check";
import { expect, test } from "vitest";
import { createLinkSigner, type Link } from "../../../src/storage/signed-links.ts";

const NOW = 1_700_000_000;
const signer = createLinkSigner("a secret of the test", { now: () => NOW * 1_000 });

const link: fc.Arbitrary<Link> = fc.record({
  method: fc.constantFrom("GET" as const, "PUT" as const),
  key: fc.stringMatching(/^[a-z0-9]{1,8}(\/[a-z0-9]{1,8})?$/),
  expires: fc.integer({ min: NOW + 1, max: NOW + 1_000_000 }),
  filename: fc.option(fc.string({ unit: "grapheme" })),
  mediaType: fc.option(fc.constantFrom("text/plain", "application/pdf")),
  maxBytes: fc.option(fc.nat()),
});

test("a link that is used as it was given is what it was made to be", () => {
  fc.assert(
    fc.property(link, (made) => {
      const sent = new URLSearchParams(signer.sign(made).toString());
      expect(signer.verify(made.method, made.key, sent)).toEqual(made);
    }),
  );
});

test("a link of which anything was changed, taken away or added is refused", () => {
  const names = ["expires", "filename", "type", "max_bytes", "sig"] as const;
  fc.assert(
    fc.property(link, fc.constantFrom(...names), fc.option(fc.string()), (made, name, value) => {
      const query = signer.sign(made);
      const before = query.get(name);
      fc.pre(before !== value);
      if (value === null) query.delete(name);
      else query.set(name, value);
      expect(() => signer.verify(made.method, made.key, query)).toThrow(/not valid/);
    }),
  );
  fc.assert(
    fc.property(link, (made) => {
      const query = signer.sign(made);
      expect(() => signer.verify(made.method === "GET" ? "PUT" : "GET", made.key, query)).toThrow(
        /not valid/,
      );
      expect(() => signer.verify(made.method, `${made.key}x`, query)).toThrow(/not valid/);
      const other = createLinkSigner("another secret of it", { now: () => NOW * 1_000 });
      expect(() => other.verify(made.method, made.key, query)).toThrow(/not valid/);
    }),
  );
});

test("a link is valid until the instant of its expiry and not at it", () => {
  let now = NOW * 1_000;
  const timed = createLinkSigner("a secret of the test", { now: () => now });
  const made: Link = {
    method: "GET",
    key: "a",
    expires: NOW + 10,
    filename: null,
    mediaType: null,
    maxBytes: null,
  };
  const query = timed.sign(made);
  now = (NOW + 10) * 1_000 - 1;
  expect(timed.verify("GET", "a", query).key).toBe("a");
  now += 1;
  expect(() => timed.verify("GET", "a", query)).toThrow(/expired/);
});
