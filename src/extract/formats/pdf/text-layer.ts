import type { PageContent } from "./geometry.ts";

/** A stamp, a page number or the line of a fax machine on a scanned page has fewer characters. */
const FEW_CHARACTERS = 100;
/** Share of a page that a scan covers at least. */
const SCAN_SHARE = 0.5;
/** Share of characters without a meaning above which the others are of no use either. */
const UNKNOWN_SHARE = 0.3;

/** What tells whether a page has text of its own. */
export type TextLayer = Pick<PageContent, "characters" | "unknown" | "images" | "imageShare" | "paths">;

/**
 * Whether the text of a page must be read from its picture. Such a page
 *
 * - has no characters, and shows images or draws lines or areas, or
 * - has fewer than 100 characters, and images cover half of it or more, or
 * - has characters of which more than 30 % mean nothing outside their font.
 */
export function lacksText({ characters, unknown, images, imageShare, paths }: TextLayer): boolean {
  if (characters === 0) return images > 0 || paths > 0;
  if (unknown > UNKNOWN_SHARE * characters) return true;
  return characters < FEW_CHARACTERS && imageShare >= SCAN_SHARE;
}
