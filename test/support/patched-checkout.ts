import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Checkout, copyCheckout } from "./checkout.ts";

/** What stands in a source file, and what stands there in a copy. */
export interface Patch {
  readonly file: string;
  /** An expression has no groups that capture. */
  readonly sound: string | RegExp;
  readonly patched: string;
  /** In how many places; 1 unless said. */
  readonly places?: number;
}

/**
 * A copy of this checkout with other words in some places.
 * @param from the file that holds the patches, to be corrected when a place has changed
 * @throws Error if a file does not say it in as many places
 */
export async function patchedCheckout(patches: readonly Patch[], from: string): Promise<Checkout> {
  const checkout = await copyCheckout();
  try {
    for (const patch of patches) {
      const path = join(checkout.path, patch.file);
      const text = patchedText(patch, readFileSync(path, "utf8"), from);
      // The copy is linked to the original: a new file, so that the original stays as it is.
      rmSync(path);
      writeFileSync(path, text);
    }
  } catch (error) {
    await checkout[Symbol.asyncDispose]();
    throw error;
  }
  return checkout;
}

/** The file's text with the patch in it. @throws Error if it does not say it in as many places */
export function patchedText({ file, sound, patched, places = 1 }: Patch, text: string, from: string): string {
  const parts = text.split(sound);
  if (parts.length - 1 !== places) {
    throw new Error(
      `${file} says \`${sound}\` in ${parts.length - 1} places, not in ${places}; look where that is now, then correct ${from}.`,
    );
  }
  return parts.join(patched);
}
