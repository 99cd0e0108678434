import { SluiceError } from "../../lib/errors.ts";
import { StorageUnavailableError } from "../errors.ts";
import type { S3Place } from "./place.ts";

/** What the SDK throws: an answer of the service has a status, anything else has none. */
interface S3Failure {
  readonly name?: string;
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** The status of the answer that refused; 0 when there was none. */
export function statusOf(error: unknown): number {
  return (error as S3Failure).$metadata?.httpStatusCode ?? 0;
}

/** Nothing lies under the key. */
export function isMissing(error: unknown): boolean {
  return statusOf(error) === 404 && (error as S3Failure).name !== "NoSuchBucket";
}

/** It answered, and not with what was asked for. */
export class AnswerError extends Error {
  override name = "AnswerError";
}

const KEYS = "Correct SLUICE_S3_ACCESS_KEY_ID and SLUICE_S3_SECRET_ACCESS_KEY.";

/** Why the bucket does not do what it is asked, in plain sentences. */
export function unavailable(place: Pick<S3Place, "bucket" | "endpoint">, error: unknown): Error {
  if (error instanceof SluiceError) return error;
  const [what, advice] = toldAs(error as S3Failure, place);
  return new StorageUnavailableError(`s3://${place.bucket}`, what, error, advice);
}

function toldAs(
  error: S3Failure,
  { bucket, endpoint }: Pick<S3Place, "bucket" | "endpoint">,
): [string, string] {
  const name = error.name ?? "Error";
  const status = statusOf(error);
  if (name === "NoSuchBucket")
    return [`there is no bucket ${bucket}`, "Make it, or correct SLUICE_STORAGE_URL."];
  if (name === "InvalidAccessKeyId") return ["it does not know the access key", KEYS];
  if (name === "SignatureDoesNotMatch") return ["the secret of the access key is not the right one", KEYS];
  if (name === "CredentialsProviderError") {
    return [
      "there are no credentials for it",
      "Set SLUICE_S3_ACCESS_KEY_ID and SLUICE_S3_SECRET_ACCESS_KEY.",
    ];
  }
  if (status === 403) {
    return [
      `access is denied (${name})`,
      "Let the credentials get, put, delete and list objects there, and abort uploads.",
    ];
  }
  if (status === 301 || name === "AuthorizationHeaderMalformed") {
    return ["the bucket is in another region", "Name its region in SLUICE_STORAGE_URL as ?region=…."];
  }
  if (error instanceof AnswerError) return [error.message, "Use a server that speaks the whole of S3."];
  if (status > 0) return [`it answers with ${name} (${status})`, "Look into its log, and try again."];
  const host = endpoint ?? "Amazon S3";
  const cause = error.code ?? name;
  return [`${host} cannot be reached (${cause})`, "Start it, or correct the endpoint in SLUICE_STORAGE_URL."];
}
