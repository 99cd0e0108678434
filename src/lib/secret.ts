import { inspect } from "node:util";

const REDACTED = "[redacted]";

/**
 * A value that must not be shown: in a log, an error, a template or JSON it is `[redacted]`. A class, since only that can
 * hold a value where no printer reaches it.
 */
export class Secret<T> {
  readonly #value: T;
  constructor(value: T) {
    this.#value = value;
  }
  /** The value itself, for where it is used. */
  reveal(): T {
    return this.#value;
  }
  toString(): string {
    return REDACTED;
  }
  toJSON(): string {
    return REDACTED;
  }
  [inspect.custom](): string {
    return REDACTED;
  }
}
