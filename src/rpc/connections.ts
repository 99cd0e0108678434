import { networkOf, plainAddress } from "../lib/network.ts";

export interface ConnectionCounts {
  /** Counts a connection; answers what to call at its end, or null if its address has as many as it may. */
  admit(ipAddress: string): (() => void) | null;
}

/**
 * Bounds the open connections of an IPv4 address or an IPv6 /64 network.
 * @param isProxy true for an address that brings the connections of many clients, and may have any number
 */
export function createConnectionCounts(
  max: number,
  isProxy: (ipAddress: string) => boolean,
): ConnectionCounts {
  const open = new Map<string, number>();
  return {
    admit(ipAddress) {
      const network = networkOf(ipAddress);
      const connections = (open.get(network) ?? 0) + 1;
      if (connections > max && !isProxy(plainAddress(ipAddress))) return null;
      open.set(network, connections);
      return () => {
        const left = (open.get(network) ?? 1) - 1;
        if (left > 0) open.set(network, left);
        else open.delete(network);
      };
    },
  };
}
