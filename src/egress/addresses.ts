import ipaddr from "ipaddr.js";

/** A range of addresses, as `10.0.0.0/8`. */
export type AddressRange = readonly [address: ipaddr.IPv4 | ipaddr.IPv6, bits: number];

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

/** A range or a single address; null if `text` is neither. */
export function parseRange(text: string): AddressRange | null {
  try {
    // Short forms as `10.1` are misread too easily.
    if (!text.includes(":") && !/^\d+\.\d+\.\d+\.\d+(\/|$)/.test(text)) return null;
    if (text.includes("/")) return ipaddr.parseCIDR(text);
    if (!ipaddr.isValid(text)) return null;
    const address = ipaddr.parse(text);
    return [address, address instanceof ipaddr.IPv4 ? 32 : 128];
  } catch {
    return null;
  }
}

/** True if the address lies in one of the ranges; one that is mapped into IPv6 counts as what it stands for. */
export function isIn(text: string, ranges: readonly AddressRange[]): boolean {
  if (!ipaddr.isValid(text)) return false;
  const address = ipaddr.process(text);
  return ranges.some(([base, bits]) =>
    address instanceof ipaddr.IPv4
      ? base instanceof ipaddr.IPv4 && address.match(base, bits)
      : base instanceof ipaddr.IPv6 && address.match(base, bits),
  );
}
