import { createSluiceOn, type Sluice } from "./client.ts";
import { fetchConnection } from "./fetch-connection.ts";
import type { SluiceOptions } from "./platform.ts";

export * from "./index.ts";

/**
 * A client for browsers and other places that have `fetch`. Documents are uploaded by a plain PUT, because browsers
 * cannot stream a request.
 * @throws TypeError if the options contradict each other or the address is not one
 */
export function createSluice(options: SluiceOptions): Sluice {
  return createSluiceOn({ connect: fetchConnection, openPath: refusePath }, options);
}

async function refusePath(): Promise<never> {
  throw new TypeError("A path can be read in Node only; give a File, a Blob or bytes.");
}
