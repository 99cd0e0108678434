import { expect, test } from "vitest";
import { parseRange } from "../../../src/lib/address-ranges.ts";
import { createClientAddresses } from "../../../src/rpc/client-address.ts";
import type { NodeRequest } from "../../../src/rpc/node-http.ts";

const PROXIES = ["10.0.0.0/8", "fd00::/8"].map((text) => parseRange(text)!);

function addressOf(
  remoteAddress: string,
  headers: { "x-forwarded-for"?: string; forwarded?: string },
  proxies = PROXIES,
): string {
  return createClientAddresses(proxies).of({ socket: { remoteAddress }, headers } as unknown as NodeRequest);
}

test("without a trusted proxy the headers are nobody's word", () => {
  const headers = { "x-forwarded-for": "1.2.3.4", forwarded: "for=1.2.3.4" };
  expect(addressOf("203.0.113.9", headers)).toBe("203.0.113.9");
  expect(addressOf("10.0.0.1", headers, [])).toBe("10.0.0.1");
  expect(addressOf("::ffff:203.0.113.9", headers)).toBe("203.0.113.9");
});

test.each([
  ["one proxy", "198.51.100.7", "198.51.100.7"],
  ["what the client wrote itself stands further left", "1.1.1.1, 127.0.0.1, 198.51.100.7", "198.51.100.7"],
  ["a chain of proxies", "198.51.100.7, 10.0.0.2,10.0.0.3", "198.51.100.7"],
  ["a client that pretends to be a proxy", "9.9.9.9, 198.51.100.7, 10.0.0.2", "198.51.100.7"],
  ["an IPv6 address, however it is written", "2001:DB8:0:0::7", "2001:db8::7"],
  ["with a port", "198.51.100.7:443", "198.51.100.7"],
  ["in brackets", "[2001:db8::7]:443", "2001:db8::7"],
  ["mapped", "::ffff:198.51.100.7", "198.51.100.7"],
  ["a name", "client.example.org", "10.0.0.1"],
  ["nothing", "", "10.0.0.1"],
  ["a short form, which has many readings", "10.1", "10.0.0.1"],
  ["octal digits", "0300.0.0.1", "10.0.0.1"],
  ["something unreadable behind a proxy", "198.51.100.7, unknown, 10.0.0.2", "10.0.0.2"],
  ["line ends and escapes", "198.51.100.7\u001b[31m", "10.0.0.1"],
])("X-Forwarded-For of a trusted proxy: %s", (_, list, address) => {
  expect(addressOf("10.0.0.1", { "x-forwarded-for": list })).toBe(address);
});

test.each([
  ["for=198.51.100.7", "198.51.100.7"],
  ['For="[2001:db8:cafe::17]:4711";proto=https;by=10.0.0.1', "2001:db8:cafe::17"],
  ["proto=https; for=198.51.100.7, for=10.0.0.2", "198.51.100.7"],
  ["for=1.1.1.1, for=198.51.100.7", "198.51.100.7"],
  ['for="1.1.1.1, for=198.51.100.7', "198.51.100.7"],
  // What a client has called the host, as the proxy passes it on.
  ['for=198.51.100.7;host="a,for=1.1.1.1;x="', "198.51.100.7"],
  ['host="a;for=1.1.1.1;x=";for=198.51.100.7', "198.51.100.7"],
  ['for=198.51.100.7;host="a\\",for=1.1.1.1;x=\\\\"', "198.51.100.7"],
  ['for=1.1.1.1;x=", for="[2001:db8::7]";host="a"', "2001:db8::7"],
  ["for=1.1.1.1;for=198.51.100.7", "10.0.0.1"],
  ["for=_hidden", "10.0.0.1"],
  ["for=unknown", "10.0.0.1"],
  ["by=198.51.100.7", "10.0.0.1"],
  ["host=for=1.1.1.1", "10.0.0.1"],
])("Forwarded of a trusted proxy: %s", (forwarded, address) => {
  expect(addressOf("10.0.0.1", { forwarded })).toBe(address);
});

test("a proxy that is written as an address mapped into IPv6 is trusted as what it stands for", () => {
  const mapped = ["::ffff:10.0.0.1", "::ffff:10.1.0.0/112"].map((text) => parseRange(text)!);
  const headers = { "x-forwarded-for": "198.51.100.7" };
  for (const proxy of ["10.0.0.1", "::ffff:10.0.0.1", "10.1.0.9"])
    expect(addressOf(proxy, headers, mapped)).toBe("198.51.100.7");
  for (const other of ["10.0.0.2", "10.2.0.9"]) expect(addressOf(other, headers, mapped)).toBe(other);
});

test("of two headers that disagree one is the client's, and neither is believed", () => {
  const headers = { "x-forwarded-for": "198.51.100.7", forwarded: "for=1.1.1.1" };
  expect(addressOf("10.0.0.1", headers)).toBe("10.0.0.1");
  expect(addressOf("10.0.0.1", { ...headers, forwarded: "for=198.51.100.7" })).toBe("198.51.100.7");
});
