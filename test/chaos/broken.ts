import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Checkout, copyCheckout } from "../support/checkout.ts";

const TOKEN = /\s+and (?:jobs\.)?lease_token = (?:\$\{lease\.token\}|l\.token)/g;
/** Conditions that name the lease, by file: orders, how it stands, step, progress, complete, fail, cancel,
 * release; renew (twice). */
const PLACES: Readonly<Record<string, number>> = {
  "src/jobs/lease-queries.ts": 8,
  "src/jobs/heartbeat-queries.ts": 2,
};

/** A copy of this checkout with a fault on purpose: whoever names a job may write to it, whether or not it has the lease. */
export async function withoutFencing(): Promise<Checkout> {
  const checkout = await copyCheckout();
  try {
    for (const [file, places] of Object.entries(PLACES)) unfence(checkout.path, file, places);
  } catch (error) {
    await checkout[Symbol.asyncDispose]();
    throw error;
  }
  return checkout;
}

function unfence(folder: string, file: string, places: number): void {
  const path = join(folder, file);
  const sound = readFileSync(path, "utf8");
  const found = sound.match(TOKEN)?.length ?? 0;
  if (found !== places) {
    throw new Error(
      `${file} asks for the lease token in ${found} places, not in ${places}: look whether each write still does, then correct test/chaos/broken.ts.`,
    );
  }
  // The copy is linked to the original: a new file, so that the original stays as it is.
  rmSync(path);
  writeFileSync(path, sound.replace(TOKEN, ""));
}
