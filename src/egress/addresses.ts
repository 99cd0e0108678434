import ipaddr from "ipaddr.js";

/**
 * Global by the registries, but not a place for calls of a service: the metadata and wire server of Azure, the AS112
 * sinks (RFC 7534, 7535) and AMT relays (RFC 7450).
 */
const DENIED = ["168.63.129.16/32", "192.31.196.0/24", "192.175.48.0/24", "192.52.193.0/24"].map((range) =>
  ipaddr.IPv4.parseCIDR(range),
);
/** The only part of IPv6 that is handed out for global unicast (RFC 4291, IANA). */
const GLOBAL_V6 = ipaddr.IPv6.parseCIDR("2000::/3");

/**
 * True for an address that is reachable by everybody and speaks for nobody else: no private, local, reserved, multicast or
 * documentation range, and none that carries an IPv4 address inside (mapped, 6to4, NAT64, Teredo), through which such a
 * range could be reached.
 */
export function isPublicAddress(text: string): boolean {
  if (!ipaddr.isValid(text)) return false;
  const address = ipaddr.parse(text);
  if (address.range() !== "unicast") return false;
  if (address instanceof ipaddr.IPv4) return !DENIED.some((range) => address.match(range));
  return address.match(GLOBAL_V6);
}
