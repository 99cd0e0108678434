/** What a stored object is known by. */
export interface StoredObject {
  readonly size: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

/** One entry of a list of objects. */
export interface ListedObject {
  readonly key: string;
  readonly size: number;
  /** When it was put. */
  readonly modified: Date;
}

export interface PutOptions {
  /** More bytes than this end the upload with ObjectTooLargeError. */
  readonly maxBytes?: number;
  readonly mediaType?: string;
}

export interface SignGetOptions {
  /** 1 second to 7 days. */
  readonly expiresInSeconds: number;
  /** The name under which a browser saves it. */
  readonly filename?: string;
  readonly mediaType?: string;
}

export interface SignPutOptions {
  /** 1 second to 7 days. */
  readonly expiresInSeconds: number;
  readonly maxBytes: number;
  /** As announced: the link takes no more. Where the store cannot cap what comes, it takes no other length. */
  readonly sizeBytes?: number;
  readonly mediaType?: string;
}

/** Bytes under keys. A key is a path of parts `[A-Za-z0-9_-][A-Za-z0-9._-]*`, at most 512 characters. */
export interface ObjectStore {
  /**
   * Streams bytes in; they are durable and visible under the key when it returns, and nothing is visible before.
   * A key that stands is replaced as a whole.
   * @throws ObjectTooLargeError, ObjectKeyError, StorageUnavailableError
   */
  put(key: string, body: AsyncIterable<Uint8Array> | Uint8Array, options?: PutOptions): Promise<StoredObject>;
  /**
   * The bytes [offset, offset + length), cut at the end of the object, read as they are consumed; nothing is held open
   * before, after, or once `signal` has fired.
   * `size` is that of the whole object.
   * @throws ObjectNotFoundError, ObjectRangeError if `offset` lies behind the end
   */
  get(
    key: string,
    range?: { readonly offset?: number; readonly length?: number },
    signal?: AbortSignal,
  ): Promise<{ size: number; body: AsyncIterable<Uint8Array> }>;
  /** Null when nothing is stored. */
  head(key: string): Promise<{ size: number } | null>;
  /**
   * Every object whose key begins with `folder` and a slash, in no order, in constant memory. One that comes or goes
   * meanwhile may be missing. @throws ObjectKeyError, StorageUnavailableError
   */
  list(folder: string): AsyncIterable<ListedObject>;
  /** Deleting what is not there is no error. */
  delete(key: string): Promise<void>;
  /** A link that lets whoever holds it read the object until it expires; the object need not exist yet. */
  signGet(key: string, options: SignGetOptions): Promise<{ url: string; expireTime: Date }>;
  /**
   * A link that takes a PUT until it expires; `headers` must be sent with it. A link that leads to this service takes at
   * most `maxBytes`, and its route tells where the bytes lie. Without `sizeBytes` one that leads to a bucket takes any
   * number; they lie under `key`, and whoever uses them has to look at them.
   */
  signPut(
    key: string,
    options: SignPutOptions,
  ): Promise<{ url: string; headers: Record<string, string>; expireTime: Date }>;
  /** Writes, reads and deletes a probe. @throws StorageUnavailableError */
  check(): Promise<void>;
  /** Where the object lies, in a form that is the same on every server. */
  uriOf(key: string): string;
}
