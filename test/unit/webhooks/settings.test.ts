import { expect, test } from "vitest";
import type { Egress } from "../../../src/egress/egress.ts";
import { createEgress } from "../../../src/egress/egress.ts";
import { parsePlaces } from "../../../src/lib/address-ranges.ts";
import { assertSettings, keptHeaders, shownUrl } from "../../../src/webhooks/settings.ts";

const egress: Egress = createEgress({ policy: { ...parsePlaces([]), allowHttp: false }, own: () => [] });
const good = { url: "https://example.org/hook", events: ["job.*"], description: "", headers: {} };

const faultOf = (change: object): string => {
  try {
    assertSettings({ ...good, ...change }, egress);
    return "";
  } catch (error) {
    return (error as Error).message;
  }
};

test("what can be posted is taken, and all else is refused with a sentence that says what is wrong", () => {
  expect(faultOf({})).toBe("");
  expect(faultOf({ headers: { Authorization: "Bearer x", "x-mine": "1" } })).toBe("");
  expect(faultOf({ events: ["job.*", "jobs.done"] })).toMatch(
    /events\[1\].*no event jobs\.done.*job\.completed/,
  );
  for (const name of [
    "Host",
    "content-length",
    "Transfer-Encoding",
    "webhook-id",
    "Connection",
    "proxy-authorization",
  ])
    expect(faultOf({ headers: { [name]: "x" } }), name).toContain("the service's own");
  expect(faultOf({ headers: { "x-a": "1", "X-A": "2" } })).toContain("given twice");
  for (const url of [
    "http://example.org/",
    "https://127.0.0.1/",
    "https://localhost/",
    "https://a:b@example.org/",
    "ftp://example.org/",
  ])
    expect(faultOf({ url }), url).not.toBe("");
});

test("a query, which may be a secret, is not shown", () => {
  expect(shownUrl("https://example.org/hook?token=secret#part")).toBe("https://example.org/hook");
});

test("a header without a value keeps the one it had, whatever the case of its name", () => {
  expect(keptHeaders({ "X-Token": "", "x-new": "n" }, { "x-token": "old", "x-gone": "g" })).toEqual({
    "X-Token": "old",
    "x-new": "n",
  });
  expect(keptHeaders({ "x-a": "" }, {})).toEqual({ "x-a": "" });
});
