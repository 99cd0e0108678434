import ipaddr from "ipaddr.js";

/** A range of addresses, as `10.0.0.0/8`. */
export type AddressRange = readonly [address: ipaddr.IPv4 | ipaddr.IPv6, bits: number];

/** Addresses and names of hosts, the names in lower case. */
export interface Places {
  readonly ranges: readonly AddressRange[];
  readonly hosts: ReadonlySet<string>;
}

const HOST = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/i;

/** True for what can be the name of a host. */
export function isHostName(text: string): boolean {
  return HOST.test(text);
}

/** Ranges and names, as an operator writes them. Answers also the entries that are neither. */
export function parsePlaces(entries: readonly string[]): Places & {
  readonly wrong: readonly string[];
} {
  const ranges: AddressRange[] = [];
  const hosts = new Set<string>();
  const wrong: string[] = [];
  for (const entry of entries) {
    const range = parseRange(entry);
    if (range) ranges.push(range);
    else if (isHostName(entry) && !/^[\d.]+$/.test(entry)) hosts.add(entry.toLowerCase());
    else wrong.push(entry);
  }
  return { ranges, hosts, wrong };
}

/** A range or a single address, one that is mapped into IPv6 as what it stands for; null if `text` is neither. */
export function parseRange(text: string): AddressRange | null {
  try {
    // Short forms as `10.1` are misread too easily.
    if (!text.includes(":") && !/^\d+\.\d+\.\d+\.\d+(\/|$)/.test(text)) return null;
    const single = text.includes(":") ? `${text}/128` : `${text}/32`;
    // The library tries IPv6 first, and to find that a text is none takes it longer than all the rest.
    const kind = text.includes(":") ? ipaddr.IPv6 : ipaddr.IPv4;
    const [address, bits] = kind.parseCIDR(text.includes("/") ? text : single);
    const isMapped = address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() && bits >= 96;
    return isMapped ? [address.toIPv4Address(), bits - 96] : [address, bits];
  } catch {
    return null;
  }
}

/** An address in its one spelling, as `10.0.0.1` for `::ffff:a00:1`; null if `text` is none. */
export function canonicalAddress(text: string): string | null {
  const isAddress =
    ipaddr.IPv4.isValidFourPartDecimal(text) || (text.includes(":") && ipaddr.IPv6.isValid(text));
  return isAddress ? ipaddr.process(text).toString() : null;
}

/** True if the address lies in one of the ranges; one that is mapped into IPv6 counts as what it stands for. */
export function isIn(text: string, ranges: readonly AddressRange[]): boolean {
  if (ranges.length === 0 || !ipaddr.isValid(text)) return false;
  const address = ipaddr.process(text);
  return ranges.some(([base, bits]) =>
    address instanceof ipaddr.IPv4
      ? base instanceof ipaddr.IPv4 && address.match(base, bits)
      : base instanceof ipaddr.IPv6 && address.match(base, bits),
  );
}
