import { expect, test } from "vitest";
import { createCanaries, sightings } from "../../support/contract/canaries.ts";

test("a planted word is seen as text, in hexadecimal and in base64, wherever it begins", () => {
  const canaries = createCanaries();
  const word = canaries.inHeader("cookie");
  const hidden = [
    `before${word}after`,
    `c${word}0`,
    `\\x00${Buffer.from(`ab${word}`).toString("hex")}ff`,
    ...["", "a", "ab", "abc"].map((before) => `x ${Buffer.from(`${before}${word}tail`).toString("base64")}`),
    Buffer.from(`a${word}`).toString("base64url"),
  ];
  for (const text of hidden) {
    expect(sightings(canaries.planted, new Map([["here", text]])), text).toEqual(["header cookie in here"]);
  }
  const other = createCanaries().inHeader("cookie");
  expect(sightings(canaries.planted, new Map([["here", other]]))).toEqual([]);
});

test("a secret of the service's own is seen where it stands", () => {
  const canaries = createCanaries();
  canaries.know("a password", "correct horse");
  expect(sightings(canaries.planted, new Map([["log", '{"p":"correct horse"}']]))).toEqual([
    "a password in log",
  ]);
});
