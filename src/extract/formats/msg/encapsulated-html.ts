import iconv from "iconv-lite";
import { codePage } from "../rtf/charsets.ts";
import { SIGNS } from "../rtf/controls.ts";
import { rtfTokens } from "../rtf/tokens.ts";

/** Groups of the head, whose text is no part of the page. */
const HEAD = /^(?:fonttbl|colortbl|stylesheet|info|pntext|pict|generator|mhtmltag)$/;

/** Whether an RTF body only wraps a page: Outlook keeps HTML that way. */
export const holdsHtml = (rtf: Buffer): boolean => rtf.toString("latin1", 0, 1024).includes("\\fromhtml1");

/** The page that an RTF body wraps: what stands in its tags, and the text between them that is not for RTF only. */
export function unwrapHtml(rtf: Buffer): string {
  interface Group {
    isTag: boolean;
    isHead: boolean;
    isRtfOnly: boolean;
    fallback: number;
  }
  let group: Group = { isTag: false, isHead: false, isRtfOnly: false, fallback: 1 };
  const groups: Group[] = [];
  const parts: string[] = [];
  let raw: number[] = [];
  let encoding = "windows-1252";
  let skip = 0;
  const flush = () => {
    if (raw.length > 0) parts.push(iconv.decode(Buffer.from(raw), encoding));
    raw = [];
  };
  const isShown = () => group.isTag || !(group.isHead || group.isRtfOnly);
  const byte = (value: number) => {
    if (skip > 0) skip -= 1;
    else if (isShown()) raw.push(value);
  };
  const control = (name: string, value: number | undefined) => {
    if (name === "htmltag") group = { ...group, isTag: true, isHead: false };
    else if (HEAD.test(name)) group = { ...group, isHead: true };
    else if (name === "htmlrtf") group = { ...group, isRtfOnly: value !== 0 };
    else if (name === "uc") group = { ...group, fallback: Math.max(0, value ?? 1) };
    else if (name === "ansicpg" && value) encoding = codePage(value);
    else if (!isShown()) return;
    else if (name === "u") {
      flush();
      parts.push(String.fromCharCode((value ?? 0) & 0xffff));
      skip = group.fallback;
    } else if (name === "par") raw.push(10);
    else if (SIGNS[name] !== undefined) {
      flush();
      parts.push(SIGNS[name]);
    }
  };
  for (const token of rtfTokens(rtf)) {
    if (token.type === "open") {
      // Deeper groups than a writer makes are taken for one.
      if (groups.length < 1000) groups.push(group);
      skip = 0;
    } else if (token.type === "close") {
      group = groups.pop() ?? group;
      skip = 0;
    } else if (token.type === "hex") byte(token.byte);
    else if (token.type === "control") control(token.name, token.value);
    else for (let at = token.start; at < token.end; at++) byte(rtf[at] ?? 0);
  }
  flush();
  return parts.join("");
}
