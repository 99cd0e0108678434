import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Checkout, copyCheckout } from "../support/checkout.ts";

const STATEMENTS = "src/jobs/lease-queries.ts";
const TOKEN = /\s+and (?:jobs\.)?lease_token = (?:\$\{lease\.token\}|l\.token)/g;
/** Conditions that name the lease: renew (twice), orders, step, progress, complete, fail, cancel, release. */
const PLACES = 9;

/** A copy of this checkout with a fault on purpose: whoever names a job may write to it, whether or not it has the lease. */
export async function withoutFencing(): Promise<Checkout> {
  const checkout = await copyCheckout();
  const path = join(checkout.path, STATEMENTS);
  const sound = readFileSync(path, "utf8");
  const found = sound.match(TOKEN)?.length ?? 0;
  if (found !== PLACES) {
    await checkout[Symbol.asyncDispose]();
    throw new Error(
      `${STATEMENTS} asks for the lease token in ${found} places, not in ${PLACES}: look whether each write still does, then correct test/chaos/broken.ts.`,
    );
  }
  // The copy is linked to the original: a new file, so that the original stays as it is.
  rmSync(path);
  writeFileSync(path, sound.replace(TOKEN, ""));
  return checkout;
}
