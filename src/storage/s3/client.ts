import { S3Client } from "@aws-sdk/client-s3";
import type { S3Service } from "./place.ts";

/** Null: as Amazon's tools find them, in the environment, in shared files or from the machine's role. */
export type S3Credentials = { readonly accessKeyId: string; readonly secretAccessKey: string } | null;

const CONNECT_MS = 5_000;
/** A connection may stand still that long. */
const IDLE_MS = 60_000;
/** Bodies that are read slowly hold theirs, and nothing else shall wait for these. */
const MAX_CONNECTIONS = 256;

/** @param endpoint where it is called, or where signed links lead */
export function createS3Client(
  service: S3Service,
  credentials: S3Credentials,
  endpoint: string | null = service.endpoint,
): S3Client {
  const agent = { maxSockets: MAX_CONNECTIONS };
  return new S3Client({
    region: service.region,
    forcePathStyle: service.pathStyle,
    ...(endpoint === null ? {} : { endpoint }),
    ...(credentials === null ? {} : { credentials }),
    maxAttempts: 3,
    // Every request signs the hash of its body; the newer checksums are not known to all that speak S3.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      socketTimeout: IDLE_MS,
      httpAgent: agent,
      httpsAgent: agent,
    },
  });
}
