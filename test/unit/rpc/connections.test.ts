import { expect, test } from "vitest";
import { parseRange } from "../../../src/lib/address-ranges.ts";
import { createClientAddresses } from "../../../src/rpc/client-address.ts";
import { createConnectionCounts } from "../../../src/rpc/connections.ts";

const PROXIES = ["10.0.0.0/8", "2001:db8:1::5"].map((text) => parseRange(text)!);

test("an address or an IPv6 network has so many connections, and another for each that has ended", () => {
  const counts = createConnectionCounts(2, () => false);
  const first = counts.admit("192.0.2.1");
  expect(counts.admit("::ffff:192.0.2.1")).not.toBeNull();
  expect(counts.admit("192.0.2.1")).toBeNull();
  expect(counts.admit("192.0.2.2")).not.toBeNull();
  first?.();
  expect(counts.admit("192.0.2.1")).not.toBeNull();
  expect(counts.admit("192.0.2.1")).toBeNull();
  for (const host of ["1", "2"]) expect(counts.admit(`2001:db8::${host}`)).not.toBeNull();
  expect(counts.admit("2001:db8::3")).toBeNull();
});

test("a trusted proxy has any number of connections, whatever kind of address it has", () => {
  const counts = createConnectionCounts(1, createClientAddresses(PROXIES).isProxy);
  for (const proxy of ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8:1::5"]) {
    for (let i = 0; i < 5; i++) expect(counts.admit(proxy), proxy).not.toBeNull();
  }
  // Its neighbours in the same network are none.
  expect(counts.admit("2001:db8:1::6")).toBeNull();
});
