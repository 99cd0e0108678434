import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Checkout, copyCheckout } from "./checkout.ts";

/** A place in the sources, and what stands there in a copy. */
export interface Patch {
  readonly file: string;
  readonly sound: string;
  readonly patched: string;
}

/**
 * A copy of this checkout with other words in some places.
 * @param from the file that holds the patches, to be corrected when a place has changed
 * @throws Error if a place does not say what it did, once
 */
export async function patchedCheckout(patches: readonly Patch[], from: string): Promise<Checkout> {
  const checkout = await copyCheckout();
  try {
    for (const patch of patches) apply(checkout.path, patch, from);
  } catch (error) {
    await checkout[Symbol.asyncDispose]();
    throw error;
  }
  return checkout;
}

function apply(folder: string, { file, sound, patched }: Patch, from: string): void {
  const path = join(folder, file);
  const text = readFileSync(path, "utf8");
  if (text.split(sound).length !== 2) {
    throw new Error(`${file} does not say \`${sound}\` once; look where that is now, then correct ${from}.`);
  }
  // The copy is linked to the original: a new file, so that the original stays as it is.
  rmSync(path);
  writeFileSync(
    path,
    text.replace(sound, () => patched),
  );
}
