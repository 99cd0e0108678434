import { expect, test } from "vitest";
import { isLoopback, networkOf } from "../../../src/lib/network.ts";

test("all addresses of a /64 network are one client, however they are written", () => {
  const same = [
    "2001:db8:0:1::1",
    "2001:0db8:0000:0001:ffff::",
    "2001:db8:0:1:0:0:1.2.3.4",
    "2001:DB8:0:1::5%eth0",
  ];
  expect(new Set(same.map(networkOf))).toEqual(new Set(["2001:db8:0:1::/64"]));
  expect(networkOf("2001:db8:0:2::1")).not.toBe(networkOf("2001:db8:0:1::1"));
  expect(networkOf("::1")).toBe("0:0:0:0::/64");
  expect(networkOf("::ffff:10.0.0.1")).toBe("10.0.0.1");
  expect(networkOf("10.0.0.1")).not.toBe(networkOf("10.0.0.2"));
});

test("only what can be no other machine is this machine", () => {
  const here = [
    "http://localhost:1",
    "http://127.0.0.1",
    "http://127.1",
    "http://0x7f000001",
    "http://[::1]:1",
  ];
  for (const url of here) expect(isLoopback(new URL(url).hostname), url).toBe(true);
  const elsewhere = [
    "localhost.example.com",
    "127.0.0.1.example.com",
    "x127.0.0.1",
    "128.0.0.1",
    "0.0.0.0",
    "[::]",
  ];
  for (const host of elsewhere) expect(isLoopback(host), host).toBe(false);
});
