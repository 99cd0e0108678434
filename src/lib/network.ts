import { isIPv6 } from "node:net";

/** An address as people write it: an IPv4 one that is mapped into IPv6 as what it stands for, without a zone. */
export function plainAddress(ipAddress: string): string {
  return ipAddress.replace(/%.*$/s, "").replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, "");
}

/**
 * What counts as one client: an IPv4 address, or the whole /64 network of an IPv6 one, since whoever has one address of
 * it has them all. At most 45 characters, whatever is handed in.
 */
export function networkOf(ipAddress: string): string {
  const address = plainAddress(ipAddress);
  if (!isIPv6(address)) return address.slice(0, 45);
  const [head = "", tail] = address.split("::");
  const groups = (text: string) => (text === "" ? [] : text.split(":"));
  const left = groups(head);
  const right = groups(tail ?? "");
  const width = (list: string[]) => list.reduce((sum, group) => sum + (group.includes(".") ? 2 : 1), 0);
  const zeros = tail === undefined ? 0 : 8 - width(left) - width(right);
  const all = [...left, ...Array.from({ length: zeros }, () => "0"), ...right];
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")}::/64`;
}

/** Whether a host is this machine; an IPv6 address may stand in brackets. */
export function isLoopback(host: string): boolean {
  return /^(localhost|::1|\[::1\]|127\.\d+\.\d+\.\d+)$/.test(host);
}
