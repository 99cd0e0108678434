import { SluiceError } from "../lib/errors.ts";

/** Nothing is stored under the key. */
export class ObjectNotFoundError extends SluiceError {
  override name = "ObjectNotFoundError";
  readonly kind = "not_found";
  readonly reason = "OBJECT_NOT_FOUND";
  constructor(key: string) {
    super(`Nothing is stored under ${JSON.stringify(key)}; it was deleted, or never stored.`, { key });
  }
}

/** A key that no store takes. */
export class ObjectKeyError extends SluiceError {
  override name = "ObjectKeyError";
  readonly kind = "invalid_argument";
  readonly reason = "OBJECT_KEY_INVALID";
  constructor(key: string) {
    const shown = JSON.stringify(key.slice(0, 100));
    super(
      `${shown} is not an object key: use parts of letters, digits and . _ - that do not begin with a dot, joined by /.`,
      { key: shown },
    );
  }
}

/** More bytes came than were allowed; nothing was stored. */
export class ObjectTooLargeError extends SluiceError {
  override name = "ObjectTooLargeError";
  readonly kind = "resource_exhausted";
  readonly reason = "OBJECT_TOO_LARGE";
  constructor(maxBytes: number) {
    super(`The content is larger than the ${maxBytes} bytes allowed here; nothing was stored.`, {
      max_bytes: String(maxBytes),
    });
  }
}

/** The wanted bytes begin behind the object's end. */
export class ObjectRangeError extends SluiceError {
  override name = "ObjectRangeError";
  readonly kind = "out_of_range";
  readonly reason = "OBJECT_RANGE_INVALID";
  constructor(key: string, offset: number, size: number) {
    super(`Offset ${offset} lies behind the end of ${key}, which has ${size} bytes.`, {
      key,
      offset: String(offset),
      size: String(size),
    });
  }
}

/** A signed link that was altered, was made by another installation, or has had its time. */
export class LinkRefusedError extends SluiceError {
  override name = "LinkRefusedError";
  readonly kind = "permission_denied";
  readonly reason: "LINK_INVALID" | "LINK_EXPIRED";
  constructor(reason: "LINK_INVALID" | "LINK_EXPIRED") {
    super(
      reason === "LINK_EXPIRED"
        ? "This link has expired; ask the API for a new one."
        : "This link is not valid: it must be used with its own method and exactly as the API gave it.",
    );
    this.reason = reason;
  }
}

/** The store cannot be written or read as a whole. */
export class StorageUnavailableError extends SluiceError {
  override name = "StorageUnavailableError";
  readonly kind = "unavailable";
  readonly reason = "STORAGE_UNAVAILABLE";
  /** @param advice what whoever runs the service can do */
  constructor(
    where: string,
    what: string,
    cause: unknown,
    advice = "Check that it exists, is writable and has space.",
  ) {
    super(`The object store at ${where} does not work: ${what}. ${advice}`, { where, what }, { cause });
  }
}

/** A store address that cannot be used. */
export class StorageUrlError extends SluiceError {
  override name = "StorageUrlError";
  readonly kind = "failed_precondition";
  readonly reason = "STORAGE_URL_NOT_SUPPORTED";
  /** @param problem a sentence without what may be secret */
  constructor(problem: string) {
    super(`${problem}.`);
  }
}
