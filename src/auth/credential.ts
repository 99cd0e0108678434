import { CredentialInvalidError, CredentialsConflictError, UnauthenticatedError } from "./errors.ts";

/**
 * The one credential of a request, from `authorization: Bearer …` or `x-api-key: …`. The same one in both is
 * one; two different ones are refused, since either could be meant.
 * @throws UnauthenticatedError, CredentialInvalidError, CredentialsConflictError
 */
export function credentialOf(headers: Headers): string {
  const authorization = headers.get("authorization");
  const apiKey = headers.get("x-api-key");
  const found = new Set<string>();
  // Headers that came twice are joined by a comma, which no credential of ours contains.
  for (const value of authorization?.split(",") ?? []) found.add(bearerOf(value));
  for (const value of apiKey?.split(",") ?? []) found.add(value.trim());
  if (found.size > 1) throw new CredentialsConflictError();
  const [credential] = found;
  if (credential === undefined) throw new UnauthenticatedError();
  if (credential === "") throw new CredentialInvalidError();
  return credential;
}

function bearerOf(value: string): string {
  return /^bearer +(\S+)$/i.exec(value.trim())?.[1] ?? "";
}
