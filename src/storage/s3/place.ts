import { StorageUrlError } from "../errors.ts";
import { isObjectKey } from "../keys.ts";

/** Where objects lie in S3, or in what speaks its language. */
export interface S3Place {
  readonly bucket: string;
  /** Begins every key, followed by a slash; empty for the whole bucket. */
  readonly prefix: string;
  readonly region: string;
  /** Null for Amazon's own. */
  readonly endpoint: string | null;
  /** Where those who hold a signed link reach it, when that is not `endpoint`. */
  readonly publicEndpoint: string | null;
  /** The bucket stands in the path and not in the name of the host. */
  readonly pathStyle: boolean;
}

/** What a place has that does not name it. */
export type S3Service = Omit<S3Place, "bucket" | "prefix">;

const AMAZON: S3Service = { region: "us-east-1", endpoint: null, publicEndpoint: null, pathStyle: false };
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/;
const REGION = /^[A-Za-z0-9-]{1,64}$/;
const PARAMETERS = ["endpoint", "path_style", "public_endpoint", "region"];

/**
 * Reads `s3://bucket/prefix?endpoint=…&region=…&path_style=…&public_endpoint=…`. With an endpoint the bucket stands in
 * the path unless `path_style=false`.
 * @param setting the name of the setting that it comes from, for people
 * @param service what holds where nothing of it is said
 * @throws StorageUrlError; no sentence repeats what was written, since it may hold a secret
 */
export function parseS3Place(text: string, setting: string, service: S3Service = AMAZON): S3Place {
  const fault = (what: string): StorageUrlError => new StorageUrlError(`${setting}: ${what}`);
  const url = URL.parse(text);
  if (url?.protocol !== "s3:")
    throw fault("is not an address such as s3://bucket/prefix?endpoint=https://s3.example.org");
  if (url.username || url.password) {
    throw fault(
      "must not hold credentials; give them as SLUICE_S3_ACCESS_KEY_ID and SLUICE_S3_SECRET_ACCESS_KEY",
    );
  }
  if (!BUCKET.test(url.hostname) || url.port || url.hash) {
    throw fault(
      "the bucket's name has 3 to 63 letters, digits, dots and hyphens, and nothing follows it but / or ?",
    );
  }
  const prefix = url.pathname.replace(/^\/+|\/+$/g, "");
  if (prefix !== "" && !isObjectKey(prefix))
    throw fault("what follows the bucket must be parts of letters, digits and . _ - joined by /");
  const unknown = [...url.searchParams.keys()].find((name) => !PARAMETERS.includes(name));
  if (unknown !== undefined) throw fault(`only ${PARAMETERS.join(", ")} may follow the ?`);
  const given = (name: string): string | null => url.searchParams.get(name) || null;
  const region = given("region") ?? service.region;
  if (!REGION.test(region)) throw fault("the region must be a name such as eu-central-1");
  const style = given("path_style");
  if (style !== null && style !== "true" && style !== "false")
    throw fault("path_style must be true or false");
  const origin = (name: string): string | null => {
    const value = given(name);
    const parsed = value === null ? null : originOf(value);
    if (value !== null && parsed === null)
      throw fault(`${name} must be http://host:port or https://host:port and no more`);
    return parsed;
  };
  const endpoint = origin("endpoint");
  const pathStyle = style === null ? (endpoint === null ? service.pathStyle : true) : style === "true";
  return {
    bucket: url.hostname,
    prefix,
    region,
    endpoint: endpoint ?? service.endpoint,
    publicEndpoint: origin("public_endpoint") ?? (endpoint === null ? service.publicEndpoint : null),
    pathStyle,
  };
}

function originOf(text: string): string | null {
  const url = URL.parse(text);
  const isOrigin =
    (url?.protocol === "http:" || url?.protocol === "https:") &&
    url.href === `${url.origin}/` &&
    !url.username;
  return isOrigin ? url.origin : null;
}
