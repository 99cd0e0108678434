import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { SluiceError } from "../lib/errors.ts";

export const DEFAULT_PAGE_SIZE = 50;
export const MAX_PAGE_SIZE = 500;
const MAC_BYTES = 16;
const FILTER_BYTES = 16;

/** The page token is altered, of another server, or of a list with another filter. */
export class InvalidPageTokenError extends SluiceError {
  override name = "InvalidPageTokenError";
  readonly kind = "invalid_argument";
  readonly reason = "PAGE_TOKEN_INVALID";
  constructor() {
    super(
      "The page token is not one that this list has given out; start again without one.",
      {},
      { fields: [{ field: "page_token", description: "not a token of this list" }] },
    );
  }
}

/** Where a page begins: the sort values of the last entry of the page before. */
export type Cursor = readonly (string | number)[];

export interface PageTokens {
  /** The token of the page after `cursor`; it works only with the same filter. */
  encode(filter: unknown, cursor: Cursor): string;
  /**
   * Null for an empty token: the first page.
   * @throws InvalidPageTokenError
   */
  decode(filter: unknown, token: string): Cursor | null;
}

/**
 * Page tokens that callers cannot read into, change or carry to another list. `filter` is any JSON value that tells
 * the lists apart (include the list's name and the scope of the caller); the order of its keys does not matter.
 * @param secret at least 16 bytes, the same on every server
 */
export function createPageTokens(secret: Uint8Array): PageTokens {
  if (secret.byteLength < 16) throw new RangeError("the secret of page tokens needs 16 bytes at least");
  const macOf = (payload: Uint8Array) =>
    createHmac("sha256", secret).update("page-token\0").update(payload).digest().subarray(0, MAC_BYTES);
  return {
    encode(filter, cursor) {
      const payload = Buffer.concat([hashOf(filter), Buffer.from(JSON.stringify(cursor))]);
      return Buffer.concat([macOf(payload), payload]).toString("base64url");
    },
    decode(filter, token) {
      if (token === "") return null;
      const bytes = Buffer.from(token, "base64url");
      // The last character has unused bits: only the canonical spelling is good.
      if (bytes.length <= MAC_BYTES + FILTER_BYTES || bytes.toString("base64url") !== token) {
        throw new InvalidPageTokenError();
      }
      const payload = bytes.subarray(MAC_BYTES);
      if (!timingSafeEqual(bytes.subarray(0, MAC_BYTES), macOf(payload))) throw new InvalidPageTokenError();
      if (!payload.subarray(0, FILTER_BYTES).equals(hashOf(filter))) throw new InvalidPageTokenError();
      return JSON.parse(payload.toString("utf8", FILTER_BYTES)) as Cursor;
    },
  };
}

/** Entries a page: 50 when none are asked for, never more than 500. */
export function pageSize(requested: number): number {
  return requested <= 0 ? DEFAULT_PAGE_SIZE : Math.min(requested, MAX_PAGE_SIZE);
}

function hashOf(filter: unknown): Buffer {
  return createHash("sha256").update(canonical(filter)).digest().subarray(0, FILTER_BYTES);
}

function canonical(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (value instanceof Date) return JSON.stringify(value.toISOString());
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).filter(([, member]) => member !== undefined);
    const members = entries
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`);
    return `{${members.join(",")}}`;
  }
  return JSON.stringify(value) ?? "null";
}
