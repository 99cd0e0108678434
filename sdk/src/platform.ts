import type { Transport } from "@connectrpc/connect";
import type { RetryOptions } from "./calls.ts";
import type { CredentialOptions } from "./credentials.ts";
import type { Bytes } from "./sources.ts";

/** Options of `createSluice`. */
export interface SluiceOptions extends CredentialOptions {
  /** Where the server answers, e.g. `https://sluice.example.com`. A path in it is kept. */
  readonly url: string;
  /** Deadline of calls that answer once, in milliseconds, with all their retries. Default 30000. */
  readonly timeoutMs?: number | undefined;
  readonly retry?: RetryOptions | undefined;
  /** Replaces the platform's way to call; in Node, calls then go through it instead of over HTTP/2. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** Node only: `2` (default), or `1.1` where something on the way does not speak HTTP/2. */
  readonly httpVersion?: "1.1" | "2" | undefined;
}

/** A way to the server. */
export interface Connection {
  readonly transport: Transport;
  /** Requests can be streams. */
  readonly canStream: boolean;
  readonly fetch: typeof globalThis.fetch;
  /** Later calls shall go over a new connection; calls that run are left alone. */
  renew(): void;
  /** Ends all calls and lets the process exit. */
  close(): void;
}

/** What differs between Node and browsers. */
export interface Platform {
  connect(options: SluiceOptions): Connection;
  openPath(path: string): Promise<Bytes>;
}

/** The server refuses larger messages; refused here, the connection stays usable. */
export const WRITE_MAX_BYTES = 4 * 1024 * 1024;
/** No answer of a server that means well is larger. */
export const READ_MAX_BYTES = 64 * 1024 * 1024;
