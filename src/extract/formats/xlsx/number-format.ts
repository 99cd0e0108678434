import { child, elements, type XmlElement } from "../../xml.ts";
import { numberText } from "../ooxml/number-text.ts";

/** Turns the stored value of a number cell into text: dates and times as ISO, percentages as shown. */
export type NumberFormat = (stored: string) => string;

/** The format of a cell by the index of its style (`s`). */
export type NumberFormats = (style: string | undefined) => NumberFormat;

const BUILT_IN: Readonly<Record<number, string>> = {
  9: "0%",
  10: "0.00%",
  14: "yyyy-mm-dd",
  15: "d-mmm-yy",
  16: "d-mmm",
  17: "mmm-yy",
  18: "h:mm",
  19: "h:mm:ss",
  20: "h:mm",
  21: "h:mm:ss",
  22: "yyyy-mm-dd h:mm",
  45: "mm:ss",
  46: "[h]:mm:ss",
  47: "mm:ss.0",
};

const DAY_MS = 86_400_000;
/** The last day that dates can name, 9999-12-31. */
const MAX_SERIAL = 2_958_465;

/** Reads the number formats of `styles.xml`. `from1904`: the workbook counts days from 1904. */
export function readNumberFormats(root: XmlElement | undefined, from1904: boolean): NumberFormats {
  const codes = new Map<string, string>();
  for (const format of elements(child(root, "s:numFmts"), "s:numFmt")) {
    codes.set(format.attributes.numFmtId ?? "", format.attributes.formatCode ?? "");
  }
  const known = new Map<string, NumberFormat>();
  const formats = [...elements(child(root, "s:cellXfs"), "s:xf")].map((xf) => {
    const id = xf.attributes.numFmtId ?? "0";
    const code = codes.get(id) ?? BUILT_IN[Number(id)] ?? (isEastAsianDate(Number(id)) ? "yyyy-mm-dd" : "");
    const format = known.get(code) ?? formatOf(code, from1904);
    known.set(code, format);
    return format;
  });
  return (style) => formats[Number(style ?? 0)] ?? numberText;
}

const isEastAsianDate = (id: number) => (id >= 27 && id <= 31) || id === 36 || (id >= 50 && id <= 58);

/** The reading of one format code. */
export function formatOf(code: string, from1904: boolean): NumberFormat {
  const section = (code.split(";")[0] ?? "")
    .replace(/"[^"]*"|\\.|_.|\*./g, "")
    .replace(/\[(?!h+\]|m+\]|s+\])[^\]]*\]/gi, "");
  if (/general|@/i.test(section) || section === "") return numberText;
  if (/^0{2,}$/.test(section))
    return (stored) => (/^\d+$/.test(stored) ? stored.padStart(section.length, "0") : stored);
  if (section.includes("%")) {
    const decimals = /\.([0#?]+)/.exec(section)?.[1]?.length ?? 0;
    return (stored) => percentage(stored, Math.min(decimals, 15));
  }
  const hasElapsed = /\[[hms]+\]/i.test(section);
  const hasTime = hasElapsed || /[hs]/i.test(section);
  const hasDate = /[yd]/i.test(section) || (!hasTime && /m/i.test(section));
  if (!hasTime && !hasDate) return numberText;
  return (stored) => {
    const serial = Number(stored);
    if (stored.trim() === "" || !Number.isFinite(serial) || serial < 0 || serial > MAX_SERIAL + 1)
      return stored;
    if (hasDate) return dateText(serial, hasTime, from1904);
    return hasElapsed ? elapsed(serial) : isoTime(serial);
  };
}

function percentage(stored: string, decimals: number): string {
  const value = Number(stored);
  return stored.trim() === "" || !Number.isFinite(value) ? stored : `${(value * 100).toFixed(decimals)}%`;
}

function dateText(serial: number, hasTime: boolean, from1904: boolean): string {
  const whole = Math.floor(serial);
  // Days from 1970. The 1900 calendar has a 29 February 1900 (day 60), which never was.
  const days = from1904 ? whole - 24_107 : whole - (whole < 60 ? 25_568 : 25_569);
  const date = new Date(days * DAY_MS).toISOString().slice(0, 10);
  const time = isoTime(serial);
  if (!hasTime) return date;
  return whole === 0 && !from1904 ? time : `${date} ${time}`;
}

function isoTime(serial: number): string {
  const seconds = Math.round((serial - Math.floor(serial)) * 86_400);
  return clock(Math.min(seconds, 86_399));
}

const elapsed = (serial: number) => clock(Math.round(serial * 86_400));

function clock(seconds: number): string {
  const two = (value: number) => String(value).padStart(2, "0");
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}
