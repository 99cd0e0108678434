import { type AddressRange, isHostName, isIn, type Places, parseRange } from "../lib/address-ranges.ts";
import { isPublicAddress } from "./addresses.ts";
import { EgressDeniedError } from "./errors.ts";

/**
 * What calls may reach beyond public https addresses: places that may be reached although they are private, on every port
 * and without TLS.
 */
export interface EgressPolicy extends Places {
  /** Public addresses may be called without TLS. */
  readonly allowHttp: boolean;
}

/** An address of ours that must not be called, since a caller could use our own standing there. */
export interface OwnAddress {
  readonly address: string;
  readonly port: number;
}

/** Ports below 1024 that serve the web; all others there are other services. */
const WEB_PORTS = new Set([80, 443]);
/** Ports above where databases, caches and daemons listen that obey whoever reaches them. */
const SERVICE_PORTS = new Set([
  1433, 1521, 2049, 2181, 2375, 2376, 2379, 2380, 3306, 3389, 4369, 5432, 5672, 5900, 5984, 6379, 6380, 6443,
  7000, 7001, 8086, 9042, 9092, 9200, 9300, 10250, 10255, 11211, 15672, 25672, 26379, 27017, 27018, 27019,
  50000, 50070,
]);
/**
 * A web address in its one spelling, checked as far as can be without asking a name server. Forms such as
 * `http://0x7f.1` and `http://①②⑦.1` are what they stand for from here on.
 * @throws EgressDeniedError
 */
export function checkUrl(text: string, policy: EgressPolicy): URL {
  const url = URL.parse(text);
  if (!url) throw new EgressDeniedError("this address", "it is not a valid URL");
  const place = placeOf(url);
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw new EgressDeniedError(place, "only https:// and, where allowed, http:// can be called");
  }
  if (url.username || url.password) {
    throw new EgressDeniedError(place, "an address must not carry a user name or password");
  }
  url.hash = "";
  const host = hostOf(url);
  if (host === "") throw new EgressDeniedError(place, "it names no host");
  if (parseRange(host)) checkAddress(url, host, policy, []);
  else if (!policy.hosts.has(host) && policy.ranges.length === 0) {
    // Whatever it stands for, no range lets it through.
    if (!isResolvable(host)) throw new EgressDeniedError(place, "it names a host of the local network");
    assertWeb(url, policy);
  }
  return url;
}

/**
 * One of the addresses that the host of `url` stands for.
 * @throws EgressDeniedError
 */
export function checkAddress(
  url: URL,
  address: string,
  policy: EgressPolicy,
  own: readonly OwnAddress[],
): void {
  const place = placeOf(url);
  const port = portOf(url);
  const isOwn = own.some(
    (mine) => mine.port === port && (mine.address === address || isIn(address, rangesOf(mine.address))),
  );
  if (isOwn) throw new EgressDeniedError(place, "it is the server itself");
  if (policy.hosts.has(hostOf(url)) || isIn(address, policy.ranges)) return;
  if (!isPublicAddress(address)) throw new EgressDeniedError(place, "it is not a public address");
  assertWeb(url, policy);
}

/** What holds for all public addresses. @throws EgressDeniedError */
function assertWeb(url: URL, { allowHttp }: EgressPolicy): void {
  const place = placeOf(url);
  const port = portOf(url);
  if (url.protocol === "http:" && !allowHttp) {
    throw new EgressDeniedError(place, "it is not protected by TLS; use https");
  }
  if (port < 1024 ? !WEB_PORTS.has(port) : SERVICE_PORTS.has(port)) {
    throw new EgressDeniedError(place, `port ${port} is not one of the web`);
  }
}

/** The host of a URL without brackets and without a dot at its end. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
}

/** What may be shown of a URL: no path and no query, which may hold secrets. */
export function placeOf(url: URL): string {
  return `${url.protocol}//${url.host}`;
}

function portOf(url: URL): number {
  return Number(url.port) || (url.protocol === "https:" ? 443 : 80);
}

/** A name with a dot, none of those that never lead outside (RFC 6761, 6762, 8375, 9476). */
function isResolvable(host: string): boolean {
  return (
    isHostName(host) &&
    /\./.test(host) &&
    !/(^|\.)(localhost|local|internal|home\.arpa|alt|onion)$/.test(host)
  );
}

function rangesOf(address: string): AddressRange[] {
  const range = parseRange(address);
  return range ? [range] : [];
}
