import { expect, test } from "vitest";
import { retryAfterMs } from "../../../src/lib/retry-after.ts";

const NOW = Date.UTC(2026, 0, 15);
const DAY = 24 * 3_600_000;

test("a wish to be left alone is seconds or a date, a day at most however large it is, and nothing else", () => {
  const wishes: [unknown, number | undefined][] = [
    ["0", 0],
    ["120", 120_000],
    ["99999999999", DAY],
    ["9".repeat(400), DAY],
    ["Thu, 15 Jan 2026 00:01:00 GMT", 60_000],
    ["Wed, 14 Jan 2026 00:00:00 GMT", 0],
    ["Wed, 21 Oct 2099 07:28:00 GMT", DAY],
    ["soon", undefined],
    ["", undefined],
    [undefined, undefined],
    [["1", "2"], undefined],
  ];
  for (const [value, ms] of wishes) expect(retryAfterMs(value, NOW), String(value)).toBe(ms);
});
