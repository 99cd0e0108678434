import type { S3Credentials } from "./client.ts";
import { parseS3Place, type S3Place, type S3Service } from "./place.ts";
import type { createSourceReader, SourceBody } from "./source-reader.ts";

/** Buckets that documents may be fetched from, because whoever runs the service has named them. */
export interface S3Sources {
  /** Whether the address names an object in one of them. */
  allows(uri: string): boolean;
  /**
   * @param fault makes the error of an answer's status; 0 when there was none, 404 for what is gone
   * @throws what `fault` makes, also while the body is read; the reason of `signal`
   */
  open(uri: string, fault: (status: number) => Error, signal: AbortSignal): Promise<SourceBody>;
}

interface Source {
  readonly place: S3Place;
  readonly read: () => Promise<ReturnType<typeof createSourceReader>>;
}

const MAX_KEY_BYTES = 1_024;

/**
 * @param entries `bucket`, `bucket/prefix`, or the whole form of parseS3Place
 * @param service what holds for those that do not say where their bucket is
 * @throws StorageUrlError
 */
export function createS3Sources(
  entries: readonly string[],
  credentials: S3Credentials,
  service?: S3Service,
): S3Sources {
  const sources = entries.map((entry): Source => {
    const text = /^[^/?]*:\/\//.test(entry) ? entry : `s3://${entry}`;
    const place = parseS3Place(text, "SLUICE_S3_SOURCES", service);
    let reader: ReturnType<Source["read"]> | undefined;
    const read = () => {
      reader ??= import("./source-reader.ts").then((module) => module.createSourceReader(place, credentials));
      return reader;
    };
    return { place, read };
  });

  const find = (uri: string) => {
    const target = targetOf(uri);
    const source =
      target &&
      sources.find(({ place }) => place.bucket === target.Bucket && isBelow(place.prefix, target.Key));
    return source ? { source, target } : null;
  };

  return {
    allows: (uri) => find(uri) !== null,
    async open(uri, fault, signal) {
      const found = find(uri);
      if (!found) throw fault(403);
      const read = await found.source.read();
      return await read(found.target, fault, signal);
    },
  };
}

function isBelow(prefix: string, key: string): boolean {
  return prefix === "" || key.startsWith(`${prefix}/`);
}

/** Null for what names no object, or names it in a way that a server might read otherwise than we do. */
function targetOf(uri: string): { Bucket: string; Key: string } | null {
  const url = URL.parse(uri);
  if (url?.protocol !== "s3:" || url.username || url.password || url.port || url.search || url.hash)
    return null;
  let key: string;
  try {
    key = decodeURIComponent(url.pathname.slice(1));
  } catch {
    return null;
  }
  const isOdd = key.split("/").some((part) => part === "" || part === "." || part === "..");
  if (isOdd || key.includes("\0") || Buffer.byteLength(key) > MAX_KEY_BYTES) return null;
  return { Bucket: url.hostname, Key: key };
}
