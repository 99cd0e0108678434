import { type AddressRange, canonicalAddress, isIn } from "../lib/address-ranges.ts";
import { plainAddress } from "../lib/network.ts";
import type { NodeRequest } from "./node-http.ts";

/** Hops that are looked back at; more are nobody's honest way here. */
const MAX_HOPS = 20;

/** Who called, as far as that can be known. */
export interface ClientAddresses {
  of(request: NodeRequest): string;
  /** True for a proxy whose word is taken. */
  isProxy(ipAddress: string): boolean;
}

/**
 * The address of a client: the socket's, unless that is one of the trusted proxies. Then their `X-Forwarded-For` or
 * `Forwarded` is read from the right, and the first address that is no such proxy counts; what a client wrote itself
 * stands further left and is never reached. A proxy writes one of the two headers and passes the other on as it came, so
 * two that disagree are not believed, nor is a list that cannot be read: then the proxy itself counts.
 */
export function createClientAddresses(proxies: readonly AddressRange[]): ClientAddresses {
  const isProxy = (ipAddress: string) => proxies.length > 0 && isIn(ipAddress, proxies);

  const walk = (socketAddress: string, hops: readonly (string | null)[]): string => {
    let address = socketAddress;
    for (const hop of hops.slice(-MAX_HOPS).reverse()) {
      if (!isProxy(address) || hop === null) break;
      address = hop;
    }
    return address;
  };

  return {
    isProxy,
    of({ socket, headers }) {
      const address = plainAddress(socket.remoteAddress ?? "");
      if (!isProxy(address)) return address;
      const { "x-forwarded-for": list, forwarded } = headers;
      const found = [
        ...(list === undefined ? [] : [walk(address, String(list).split(",").map(addressIn))]),
        ...(forwarded === undefined ? [] : [walk(address, String(forwarded).split(",").map(forIn))]),
      ];
      const [first = address, second = first] = found;
      return first === second ? first : address;
    },
  };
}

/** The `for` of one element of `Forwarded` (RFC 7239); null if it has none or hides it. */
function forIn(element: string): string | null {
  const value = /(?:^|;)\s*for\s*=\s*("[^"]*"|[^;\s"]*)\s*(?:;|$)/i.exec(element)?.[1];
  return value === undefined ? null : addressIn(value.replaceAll('"', ""));
}

/** An address that may stand in brackets and be followed by a port; null for anything else. */
function addressIn(text: string): string | null {
  const bare = /^\s*(?:\[([0-9a-f:.]+)\](?::\d+)?|([\d.]+)(?::\d+)?|([0-9a-f:.]+))\s*$/i.exec(text);
  return canonicalAddress(bare?.[1] ?? bare?.[2] ?? bare?.[3] ?? "");
}
