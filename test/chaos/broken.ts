import type { Checkout } from "../support/checkout.ts";
import { type Patch, patchedCheckout } from "../support/patched-checkout.ts";

const TOKEN = /\s+and (?:jobs\.)?lease_token = (?:\$\{lease\.token\}|l\.token)/;

/** Conditions that name the lease: orders, how it stands, step, progress, complete, fail, cancel, release; renew (twice). */
export const WITHOUT_FENCING: readonly Patch[] = [
  { file: "src/jobs/lease-queries.ts", sound: TOKEN, places: 8, patched: "" },
  { file: "src/jobs/heartbeat-queries.ts", sound: TOKEN, places: 2, patched: "" },
];

/** A copy of this checkout with a fault on purpose: whoever names a job may write to it, whether or not it has the lease. */
export async function withoutFencing(): Promise<Checkout> {
  return await patchedCheckout(WITHOUT_FENCING, "test/chaos/broken.ts");
}
