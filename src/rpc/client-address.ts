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

  const walk = (socketAddress: string, hops: string[], read: (hop: string) => string | null): string => {
    let address = socketAddress;
    for (const hop of hops.slice(-MAX_HOPS).reverse()) {
      const next = isProxy(address) ? read(hop) : null;
      if (next === null) break;
      address = next;
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
        ...(list === undefined ? [] : [walk(address, String(list).split(","), addressIn)]),
        ...(forwarded === undefined ? [] : [walk(address, unquotedSplit(String(forwarded), ","), forIn)]),
      ];
      const [first = address, second = first] = found;
      return first === second ? first : address;
    },
  };
}

/** The `for` of one element of `Forwarded` (RFC 7239); null if it has none, or several, or hides it. */
function forIn(element: string): string | null {
  const nodes = unquotedSplit(element, ";").flatMap(
    (pair) => /^for\s*=\s*(.*)$/is.exec(pair.trim())?.[1] ?? [],
  );
  const [node = "", ...others] = nodes;
  return others.length === 0 ? addressIn(node.replace(/^"([^"]*)"$/, "$1")) : null;
}

/**
 * The parts between separators that do not stand in quotes, as those of a host's name that a client has made up may. Read
 * from the right, so that a quote that a client has left open ends where the words of the proxy begin.
 */
function unquotedSplit(text: string, separator: string): string[] {
  const parts: string[] = [];
  let end = text.length;
  let isQuoted = false;
  for (let at = text.length - 1; at >= 0; at--) {
    if (text[at] === '"' && !isEscaped(text, at)) isQuoted = !isQuoted;
    if (text[at] !== separator || isQuoted) continue;
    parts.push(text.slice(at + 1, end));
    end = at;
  }
  return [...parts, text.slice(0, end)].reverse();
}

/** Whether an odd number of backslashes stands before. */
function isEscaped(text: string, at: number): boolean {
  let first = at;
  while (text[first - 1] === "\\") first--;
  return (at - first) % 2 === 1;
}

/** An address that may stand in brackets and be followed by a port; null for anything else. */
function addressIn(text: string): string | null {
  const bare = /^\s*(?:\[([0-9a-f:.]+)\](?::\d+)?|([\d.]+)(?::\d+)?|([0-9a-f:.]+))\s*$/i.exec(text);
  return canonicalAddress(bare?.[1] ?? bare?.[2] ?? bare?.[3] ?? "");
}
