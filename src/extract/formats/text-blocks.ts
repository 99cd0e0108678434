import type { Block, ListItem } from "../model.ts";

/**
 * Plain text as blocks: paragraphs end at blank lines. Lines that were only wrapped at a width are joined
 * again; verse, addresses and other short lines stay lines; items with signs or numbers become lists, and
 * lines with columns of blanks become code.
 */
export function textBlocks(text: string): Block[] {
  const blocks: Block[] = [];
  for (const part of text.split(/\n[^\S\n]*(?:\n[^\S\n]*)+|\f/)) {
    const lines = part.split("\n").filter((line) => line.trim() !== "");
    if (lines.length > 0) blocks.push(...partBlocks(lines));
  }
  return joinLists(blocks);
}

function partBlocks(lines: string[]): Block[] {
  if (looksPreformatted(lines)) return [{ type: "code", text: lines.join("\n") }];
  const first = lines.findIndex((line) => ITEM.test(line));
  if (first < 0 || lines.filter((line) => ITEM.test(line)).length < 2 - (first === 0 ? 1 : 0))
    return [paragraph(lines)];
  const list = listOf(lines.slice(first));
  return first === 0 ? [list] : [paragraph(lines.slice(0, first)), list];
}

const ITEM = /^\s{0,12}(?:[-*+•◦▪‣–·]|\d{1,3}[.)]|[a-z][.)])\s+\S/;

/** Columns made of blanks, in most lines, at two places or more: moving text would destroy them. */
function looksPreformatted(lines: readonly string[]): boolean {
  if (lines.length < 2) return false;
  const columns = lines.filter((line) =>
    /\S(?: {3,}|\t)\S.*\S(?: {3,}|\t)\S|^[-=+|\s]{6,}$|^\s*[|+].*[|+]\s*$/.test(line),
  );
  return columns.length * 3 >= lines.length * 2;
}

function paragraph(lines: readonly string[]): Block {
  const trimmed = lines.map((line) => line.trim());
  return { type: "paragraph", text: isWrapped(trimmed) ? trimmed.join(" ") : trimmed.join("\n") };
}

/** Whether line ends come from a width: all lines but the last reach so far that the next word had no room. */
function isWrapped(lines: readonly string[]): boolean {
  if (lines.length < 2) return false;
  const width = lines.reduce((most, line) => Math.max(most, line.length), 0);
  if (width < 45 || width > 130) return false;
  return lines.slice(0, -1).every((line, i) => {
    const next = lines[i + 1] ?? "";
    const word = next.indexOf(" ") < 0 ? next.length : next.indexOf(" ");
    return line.length + 1 + word > width - 6;
  });
}

function listOf(lines: readonly string[]): Block {
  const items: (ListItem & { indent: number })[] = [];
  const indents: number[] = [];
  for (const line of lines) {
    const found = /^(\s*)(\S+)\s+(.*)$/.exec(line);
    const last = items.at(-1);
    if (!ITEM.test(line) || !found) {
      if (last) last.text += ` ${line.trim()}`;
      continue;
    }
    const indent = (found[1] ?? "").replaceAll("\t", "    ").length;
    while (indents.length > 0 && (indents.at(-1) ?? 0) >= indent) indents.pop();
    items.push({ level: indents.length, text: (found[3] ?? "").trim(), marker: found[2] ?? "-", indent });
    indents.push(indent);
  }
  const ordered = /^\w/.test(items[0]?.marker ?? "");
  return {
    type: "list",
    ordered,
    items: items.map(({ level, text, marker }) => ({ level, text, ...(marker && { marker }) })),
  };
}

/** Items parted by blank lines are one list as long as their markers are of one kind. */
function joinLists(blocks: readonly Block[]): Block[] {
  const out: Block[] = [];
  for (const block of blocks) {
    const last = out.at(-1);
    if (block.type === "list" && last?.type === "list" && last.ordered === block.ordered)
      last.items.push(...block.items);
    else out.push(block);
  }
  return out;
}
