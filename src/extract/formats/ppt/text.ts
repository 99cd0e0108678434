import type { Block } from "../../model.ts";
import { type PptRecord, TYPE } from "./records.ts";

/** A text with what it is for: 0 title, 1 body, 2 notes, 4 other, 5 centred body, 6 centred title, 7 and 8 body. */
export interface PptText {
  kind: number;
  text: string;
  /** Of each paragraph, in order. */
  paragraphs: ParagraphStyle[];
}

interface ParagraphStyle {
  characters: number;
  level: number;
  /** Undefined where the master decides. */
  hasBullet: boolean | undefined;
}

const [TITLE, CENTRED_TITLE] = [0, 6];
const BODIES = new Set([1, 7, 8]);

export const isTitle = ({ kind }: PptText) => kind === TITLE || kind === CENTRED_TITLE;

/** The texts among records that follow each other. */
export function readTexts(found: Iterable<PptRecord>): PptText[] {
  const texts: PptText[] = [];
  let kind = 4;
  for (const { type, data } of found) {
    if (type === TYPE.textHeader) {
      kind = data.length >= 4 ? data.readUInt32LE(0) : 4;
      texts.push({ kind, text: "", paragraphs: [] });
    } else if (type === TYPE.textChars || type === TYPE.textBytes) {
      const text = data.toString(type === TYPE.textChars ? "utf16le" : "latin1");
      const last = texts.at(-1);
      if (last !== undefined && last.text === "") last.text = text;
      else texts.push({ kind, text, paragraphs: [] });
    } else if (type === TYPE.textStyle) {
      const last = texts.at(-1);
      if (last !== undefined) last.paragraphs = paragraphStyles(data, last.text.length);
    }
  }
  return texts;
}

/** Styles of paragraphs, of which only what a reader of text needs is taken. */
function paragraphStyles(data: Buffer, length: number): ParagraphStyle[] {
  const styles: ParagraphStyle[] = [];
  let at = 0;
  for (let left = length + 1; left > 0 && at + 10 <= data.length; ) {
    const characters = data.readUInt32LE(at);
    const level = Math.min(4, data.readUInt16LE(at + 4));
    const mask = data.readUInt32LE(at + 6);
    at += 10;
    let hasBullet: boolean | undefined;
    if ((mask & 0x0f) !== 0) {
      if ((mask & 1) !== 0 && at + 2 <= data.length) hasBullet = (data.readUInt16LE(at) & 1) !== 0;
      at += 2;
    }
    // In the order in which they are written: sizes of what is not needed.
    for (const [bits, bytes] of [
      [0x80, 2],
      [0x10, 2],
      [0x40, 2],
      [0x20, 4],
      [0x800, 2],
      [0x1000, 2],
      [0x2000, 2],
      [0x4000, 2],
      [0x100, 2],
      [0x400, 2],
      [0x8000, 2],
    ] as const) {
      if ((mask & bits) !== 0) at += bytes;
    }
    if ((mask & 0x100000) !== 0) at += 2 + (at + 2 <= data.length ? data.readUInt16LE(at) * 4 : 0);
    if ((mask & 0x10000) !== 0) at += 2;
    if ((mask & 0xe0000) !== 0) at += 2;
    if ((mask & 0x200000) !== 0) at += 2;
    styles.push({ characters, level, hasBullet });
    if (characters === 0) break;
    left -= characters;
  }
  return styles;
}

/** A text as blocks: a title as a heading, the points of a body as a list. */
export function textBlocks(text: PptText): Block[] {
  const blocks: Block[] = [];
  let list: Extract<Block, { type: "list" }> | undefined;
  let at = 0;
  let styleEnd = 0;
  let next = 0;
  let style: ParagraphStyle | undefined;
  for (const part of text.text.split("\r")) {
    while (at >= styleEnd && next < text.paragraphs.length) {
      style = text.paragraphs[next++];
      styleEnd += style?.characters ?? 0;
    }
    at += part.length + 1;
    const line = clean(part);
    if (line === "") continue;
    if (isTitle(text)) {
      const last = blocks.at(-1);
      if (last?.type === "heading") last.text += ` ${line.replace(/\n/g, " ")}`;
      else blocks.push({ type: "heading", level: 1, text: line.replace(/\n/g, " ") });
    } else if (style?.hasBullet ?? BODIES.has(text.kind)) {
      if (list === undefined) {
        list = { type: "list", ordered: false, items: [] };
        blocks.push(list);
      }
      list.items.push({ level: style?.level ?? 0, text: line });
    } else {
      list = undefined;
      blocks.push({ type: "paragraph", text: line });
    }
  }
  return blocks;
}

/** Without the signs that stand for the number of the slide and the like; a vertical tab breaks the line. */
function clean(part: string): string {
  const text = part.replace(/\p{Cc}/gu, (sign) => (sign === "\v" ? "\n" : " ")).trim();
  return text === "*" ? "" : text;
}
