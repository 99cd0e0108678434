import { describe, expect, test } from "vitest";
import { isPublicAddress } from "../../../src/egress/addresses.ts";
import { EgressDeniedError } from "../../../src/egress/errors.ts";
import { checkAddress, checkUrl, type EgressPolicy } from "../../../src/egress/policy.ts";
import { parsePlaces } from "../../../src/lib/address-ranges.ts";

const STRICT: EgressPolicy = { ranges: [], hosts: new Set(), allowHttp: false };
const allowing = (...entries: string[]): EgressPolicy => ({ ...parsePlaces(entries), allowHttp: false });

/** What becomes of a literal address in a URL: the message of the refusal, or "allowed". */
function judged(url: string, policy: EgressPolicy): string {
  try {
    checkUrl(url, policy);
    return "allowed";
  } catch (error) {
    if (error instanceof EgressDeniedError) return error.message;
    throw error;
  }
}

test.each([
  "0.0.0.0",
  "10.1.2.3",
  "100.64.0.1",
  "127.0.0.1",
  "127.255.255.254",
  "168.63.129.16",
  "169.254.169.254",
  "172.16.0.1",
  "172.31.255.255",
  "192.0.0.8",
  "192.0.2.1",
  "192.31.196.1",
  "192.52.193.1",
  "192.88.99.1",
  "192.168.1.1",
  "192.175.48.1",
  "198.18.0.1",
  "198.51.100.1",
  "203.0.113.1",
  "224.0.0.1",
  "240.0.0.1",
  "255.255.255.255",
  "::",
  "::1",
  "::ffff:127.0.0.1",
  "::ffff:8.8.8.8",
  "::127.0.0.1",
  "64:ff9b::7f00:1",
  "64:ff9b::808:808",
  "64:ff9b:1::1",
  "100::1",
  "2001::1",
  "2001:db8::1",
  "2001:20::1",
  "2002:7f00:1::1",
  "2002:808:808::1",
  "4000::1",
  "5f00::1",
  "fc00::1",
  "fd12:3456::1",
  "fe80::1",
  "fec0::1",
  "ff02::1",
  "not an address",
])("%s is no public address", (address) => {
  expect(isPublicAddress(address)).toBe(false);
});

test.each(["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450:4001::1"])(
  "%s is a public address",
  (address) => {
    expect(isPublicAddress(address)).toBe(true);
  },
);

describe("a private address is refused in every spelling", () => {
  test.each([
    "https://127.0.0.1/",
    "https://127.1/",
    "https://0x7f.1/",
    "https://0177.0.0.1/",
    "https://2130706433/",
    "https://017700000001/",
    "https://①②⑦.0.0.1/",
    "https://１２７.０.０.１/",
    "https://127.0.0.1./",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[0:0:0:0:0:ffff:127.0.0.1]/",
    "https://[64:ff9b::127.0.0.1]/",
    "https://[2002:7f00:1::]/",
    "https://169.254.169.254/latest/meta-data/",
    "https://0/",
  ])("%s", (url) => {
    expect(judged(url, STRICT)).toContain("it is not a public address");
  });
});

test("names of the local network, other schemes, user names and what is no address are refused at once", () => {
  expect(judged("https://localhost/", STRICT)).toContain("local network");
  expect(judged("https://LOCALHOST./", STRICT)).toContain("local network");
  expect(judged("https://printer/", STRICT)).toContain("local network");
  expect(judged("https://metadata.google.internal/", STRICT)).toContain("local network");
  expect(judged("file:///etc/passwd", STRICT)).toContain("only https://");
  expect(judged("gopher://example.com/", STRICT)).toContain("only https://");
  expect(judged("https://user:secret@example.com/", STRICT)).toContain("user name or password");
  expect(judged("https://", STRICT)).toContain("not a valid URL");
});

test("a refusal shows neither path nor query, user name nor password", () => {
  const said = judged("https://user:secret@10.0.0.1/path?token=hidden", STRICT);
  expect(said).not.toMatch(/secret|path|hidden/);
});

test("public addresses need TLS, unless the operator says otherwise, and a port of the web or a high one of no service", () => {
  const at = (url: string, policy: EgressPolicy = STRICT): string => judged(url, policy);
  expect(at("https://8.8.8.8/")).toBe("allowed");
  expect(at("https://8.8.8.8:8443/")).toBe("allowed");
  expect(at("http://8.8.8.8/")).toContain("use https");
  expect(at("http://8.8.8.8/", { ...STRICT, allowHttp: true })).toBe("allowed");
  expect(at("https://8.8.8.8:25/")).toContain("port 25");
  expect(at("https://8.8.8.8:6379/")).toContain("port 6379");
});

test("ranges and names that the operator allows may be private, on any port and without TLS", () => {
  expect(judged("http://10.1.2.3:9000/", allowing("10.0.0.0/8"))).toBe("allowed");
  expect(judged("http://11.1.2.3:9000/", allowing("10.0.0.0/8"))).not.toBe("allowed");
  expect(judged("http://[::ffff:10.1.2.3]/", allowing("10.0.0.0/8"))).toBe("allowed");
  expect(judged("http://[fd00::1]:9000/", allowing("fd00::/8"))).toBe("allowed");
  const named = allowing("minio.internal");
  expect(judged("http://minio.internal:9000/", named)).toBe("allowed");
  expect(() => checkAddress(new URL("http://minio.internal:9000/"), "10.0.0.5", named, [])).not.toThrow();
  expect(() => checkAddress(new URL("http://other.example:9000/"), "10.0.0.5", named, [])).toThrow(
    "not a public",
  );
});

test("the server itself is refused, whatever is allowed", () => {
  const own = [{ address: "127.0.0.1", port: 8080 }];
  const policy = allowing("127.0.0.0/8", "localhost");
  const check = (url: string, address: string) => () => checkAddress(new URL(url), address, policy, own);
  expect(check("http://127.0.0.1:8080/", "127.0.0.1")).toThrow("the server itself");
  expect(check("http://localhost:8080/", "::ffff:127.0.0.1")).toThrow("the server itself");
  expect(check("http://127.0.0.1:8081/", "127.0.0.1")).not.toThrow();
});

test("entries of the list that are neither a range nor a name are named", () => {
  expect(
    parsePlaces(["10.0.0.0/8", "10.0.0.0/99", "host.example", "bad host", "1.2.3", "::1"]).wrong,
  ).toEqual(["10.0.0.0/99", "bad host", "1.2.3"]);
});
