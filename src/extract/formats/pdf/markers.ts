/** Stands for a glyph whose meaning is not known; dropped from text unless it starts a line. */
export const UNKNOWN_SIGN = "\uF000";

const BULLET = /^([•●○◦▪▫■□◆◇◘∙‣⁃➢➤►▶▸✓✔✗✘☐☑☒❑❒❖⮚➔※\uF000-\uF0FF]|[-–—*·](?=\s))\s*(?=\S)/u;
const NUMBER = /^(\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)]|[①-⑳㉠-㉻]|[가-하]\.)\s+(?=\S)/u;

/** The sign or number that starts a list item. */
export interface Marker {
  ordered: boolean;
  /** As shown; a sign of a symbol font without meaning of its own becomes `•`. */
  marker: string;
  rest: string;
}

/** Finds a list marker at the start of a line. */
export function markerOf(text: string): Marker | undefined {
  const bullet = BULLET.exec(text);
  if (bullet !== null) {
    const sign = bullet[1] ?? "•";
    return {
      ordered: false,
      marker: /[\uF000-\uF0FF]/u.test(sign) ? "•" : sign,
      rest: text.slice(bullet[0].length),
    };
  }
  const number = NUMBER.exec(text);
  return number === null
    ? undefined
    : { ordered: true, marker: number[1] ?? "", rest: text.slice(number[0].length) };
}
