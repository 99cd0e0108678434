import { randomBytes } from "node:crypto";
import { type FieldFault, InvalidRequestError } from "../lib/errors.ts";
import { normalizeEmail } from "./model.ts";

const MIN_LENGTH = 12;
const MAX_LENGTH = 1024;

/**
 * The password, if the user with this address may have it.
 * @param field where it stands in the request
 * @throws InvalidRequestError
 */
export function checkedPassword(field: string, password: string, email: string): string {
  const fault = faultOf(password, email);
  if (fault) throw new InvalidRequestError([{ field, description: fault } satisfies FieldFault]);
  return password;
}

function faultOf(password: string, email: string): string | null {
  if (password.length < MIN_LENGTH || password.length > MAX_LENGTH)
    return `must have ${MIN_LENGTH} to ${MAX_LENGTH} characters`;
  return normalizeEmail(password) === email ? "must differ from the e-mail address" : null;
}

/** 24 characters, 144 bits. */
export function makePassword(): string {
  return randomBytes(18).toString("base64url");
}
