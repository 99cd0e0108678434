import { LimitFault } from "../../errors.ts";
import { escapeMarkdown } from "../../escape-markdown.ts";
import { cellOf } from "../../flatten.ts";
import type { OutputBudget } from "../../flow.ts";
import type { Block, DocumentProperties } from "../../model.ts";
import { commentBlock } from "../ooxml/comment.ts";
import { createStory, type Story } from "../word/story.ts";
import { codePage, decodeBytes } from "./charsets.ts";
import { destinationOf, SIGNS } from "./controls.ts";
import { createHead } from "./head.ts";
import { createLists } from "./lists.ts";
import { createInfo } from "./properties.ts";
import { createRowReader, NO_ROW } from "./row.ts";
import {
  FIRST_GROUP,
  type GroupState,
  NEW_PARAGRAPH,
  NO_LOOK,
  type ParagraphState,
  styleOf,
} from "./state.ts";
import { type RtfToken, rtfTokens } from "./tokens.ts";

export interface RtfOptions {
  /** Groups inside each other. */
  maxDepth: number;
  includeTables: boolean;
  includeHeadersFooters: boolean;
  budget: OutputBudget;
  /** Called now and then with the number of tokens read. */
  onProgress?(tokens: number): void;
}

export interface RtfDocument {
  blocks: Block[];
  properties: DocumentProperties;
  /** The file ends inside a group. */
  isCut: boolean;
}

const MAX_LINKS = 10_000;

/**
 * Reads RTF from front to back, without recursion.
 * @throws DocumentFault `LIMIT_EXCEEDED` beyond `maxDepth` groups or the budget
 */
export function readRtf(bytes: Uint8Array, options: RtfOptions): RtfDocument {
  const head = createHead();
  const info = createInfo();
  const rows = createRowReader();
  const lists = createLists();
  const links = new Set<string>();
  const margins: Block[] = [];
  const notes: Block[] = [];
  const comments: Block[] = [];
  const stories: Story[] = [createStory(options.budget, options.includeTables)];
  const groups: GroupState[] = [];
  let state: GroupState = FIRST_GROUP;
  let encoding = "windows-1252";
  let defaultFont = 0;
  let notesOpen = 0;
  // Text is collected as bytes and as characters until something else comes.
  let raw: number[] = [];
  let text = "";
  let skip = 0;
  let isStarred = false;
  let collected = "";
  let marker: string | undefined;
  let author = "";
  let time = "";
  const instructions: string[] = [];

  const story = () => stories.at(-1) as Story;
  const depthOf = ({ tables }: ParagraphState) => (rows.current().isOpen ? Math.max(1, tables) : tables);

  const flushBytes = () => {
    if (raw.length === 0) return;
    text += decodeBytes(raw, head.font(state.font >= 0 ? state.font : defaultFont), encoding);
    raw = [];
  };
  const flush = () => {
    flushBytes();
    if (text === "") return;
    const written = text;
    text = "";
    if (state.destination === "body") {
      if (!state.hidden) story().text(written, styleOf(state), depthOf(state.paragraph));
    } else if (state.destination === "instruction") {
      const last = instructions.length - 1;
      if (last >= 0 && (instructions[last] ?? "").length < 4096) instructions[last] += written;
    } else if (state.destination !== "skip" && collected.length < 100_000) collected += written;
  };

  const endParagraph = () => {
    flush();
    const { paragraph } = state;
    const style = head.style(paragraph.style);
    const outline = paragraph.outlineLevel ?? undefined;
    const headingLevel =
      outline !== undefined && outline < 9 ? Math.min(6, outline + 1) : style?.headingLevel;
    const isItem = paragraph.list > 0 || marker !== undefined;
    const written = marker?.replace(/\s+/g, " ").trim();
    marker = undefined;
    const itemMarker = () => {
      if (written === undefined) return lists.next(paragraph.list, paragraph.level);
      return /[\p{L}\p{N}]/u.test(written) && !/^[o§]$/.test(written) ? written : "-";
    };
    story().endParagraph({
      headingLevel,
      isQuote: style?.isQuote ?? false,
      item:
        isItem && story().hasText()
          ? {
              level: paragraph.level,
              marker: itemMarker(),
              ordered:
                written === undefined
                  ? lists.isOrdered(paragraph.list, paragraph.level)
                  : /\d|^\w+[.)]/.test(written),
              list: paragraph.list,
            }
          : undefined,
      tables: depthOf(paragraph),
    });
  };

  /** Text of its own within the text: a note, a header, a text box. */
  const openStory = (onClose: (blocks: Block[]) => void) => {
    flush();
    if (stories.length > 16) {
      state = { ...state, destination: "skip" };
      return;
    }
    stories.push(createStory(options.budget, options.includeTables));
    const held = { row: rows.current(), marker };
    rows.set(NO_ROW);
    marker = undefined;
    state = {
      ...state,
      destination: "body",
      paragraph: NEW_PARAGRAPH,
      look: NO_LOOK,
      hidden: false,
      link: undefined,
      onClose() {
        if (story().hasText()) endParagraph();
        const blocks = (stories.pop() as Story).finish();
        rows.set(held.row);
        marker = held.marker;
        onClose(blocks);
      },
    };
  };
  const openNote = () => {
    const label = String(++notesOpen);
    flush();
    story().text(`[${label}]`, {}, depthOf(state.paragraph));
    const at = notes.push({ type: "paragraph", text: "" }) - 1;
    openStory((blocks) => {
      const note = cellOf(blocks);
      notes[at] = {
        type: "paragraph",
        text: `[${label}] ${note.text}`,
        markdown: `${escapeMarkdown(`[${label}]`)} ${note.markdown ?? escapeMarkdown(note.text)}`,
      };
    });
  };

  const open = () => {
    flush();
    if (groups.length >= options.maxDepth) {
      throw new LimitFault(
        "maxDepth",
        `The RTF document nests groups deeper than the ${options.maxDepth} levels allowed.`,
      );
    }
    groups.push(state);
    state = { ...state, onClose: undefined };
    skip = 0;
    isStarred = false;
  };
  const close = () => {
    flush();
    skip = 0;
    const ended = state;
    ended.onClose?.();
    const outer = groups.pop();
    if (outer === undefined) return;
    if (ended.destination !== outer.destination || ended.field !== outer.field) endDestination(ended, outer);
    // The properties of a paragraph belong to it, not to the group that sets them, in practice of all writers.
    const isSame =
      ended.destination === "body" && outer.destination === "body" && ended.onClose === undefined;
    state = isSame && ended.paragraph !== outer.paragraph ? { ...outer, paragraph: outer.paragraph } : outer;
  };
  const endDestination = (ended: GroupState, outer: GroupState) => {
    const value = collected.trim();
    switch (ended.destination) {
      case "marker":
        marker = collected;
        break;
      case "author":
        author = value;
        break;
      case "time":
        time = value;
        break;
      case "info":
        info.text(ended.field, value);
        break;
      default:
        if (outer.destination === "fonts" || outer.destination === "styles") return;
    }
    collected = "";
  };

  /** Entries of the font table and the style sheet end with a semicolon, in groups of their own or without. */
  const endEntries = () => {
    flush();
    const parts = collected.split(";");
    if (parts.length < 2) return;
    const name = (parts[0] ?? "").trim();
    collected = "";
    if (state.destination === "fonts") head.endFont(name);
    else head.endStyle(name);
  };

  const control = (name: string, value: number | undefined) => {
    if (name === "*") {
      isStarred = true;
      return;
    }
    const starred = isStarred;
    isStarred = false;
    if (state.destination === "skip" && name !== "ud") return;
    const sign = SIGNS[name];
    if (sign !== undefined) {
      flushBytes();
      text += sign;
      return;
    }
    if (name === "u") {
      flushBytes();
      const unit = (value ?? 0) & 0xffff;
      const font = head.font(state.font >= 0 ? state.font : defaultFont);
      // Fonts of symbols have their signs in the private area.
      if (unit < 0xf000 || unit > 0xf0ff) text += String.fromCharCode(unit);
      else if (font?.isSymbol) text += decodeBytes([unit - 0xf000], font, encoding);
      skip = state.fallback;
      return;
    }
    flush();
    const destination = destinationOf(name);
    if (destination !== undefined) {
      openDestination(name, destination);
      return;
    }
    if (starred && !KNOWN_STARRED.has(name)) {
      state = { ...state, destination: "skip" };
      return;
    }
    if (state.destination === "fonts") head.fontControl(name, value);
    else if (state.destination === "styles") head.styleControl(name, value);
    else if (state.destination === "lists" || state.destination === "overrides") lists.control(name, value);
    else if (state.destination === "info") info.date(state.field, name, value ?? 0);
    else if (!groupControl(name, value)) bodyControl(name, value);
  };

  const openDestination = (name: string, destination: NonNullable<ReturnType<typeof destinationOf>>) => {
    if (destination === "margin") {
      if (!options.includeHeadersFooters) state = { ...state, destination: "skip" };
      else openStory((blocks) => margins.push(...blocks));
    } else if (destination === "note") openNote();
    else if (destination === "comment") {
      openStory((blocks) => {
        const { text: remark } = cellOf(blocks);
        if (remark !== "") comments.push(commentBlock({ author, time, text: remark }));
        time = "";
      });
    } else if (destination === "box") openStory((blocks) => story().attach(blocks));
    else if (destination === "unicode") {
      const outer = groups.at(-2);
      state = { ...state, destination: outer?.destination ?? "body" };
    } else if (destination === "field") {
      const at = instructions.push("") - 1;
      state = { ...state, onClose: () => (instructions.length = at) };
    } else if (destination === "result") {
      const address = linkOf(instructions.at(-1) ?? "");
      if (address !== undefined && links.size < MAX_LINKS) links.add(address);
      state = {
        ...state,
        destination: state.destination === "instruction" ? "body" : state.destination,
        link: address ?? state.link,
      };
    } else {
      if (destination !== "instruction" && destination !== "skip") collected = "";
      state = { ...state, destination, field: destination === "info" ? name : "" };
    }
  };

  /** What holds until the end of the group. */
  const groupControl = (name: string, value: number | undefined): boolean => {
    const on = value !== 0;
    const look = (change: Partial<GroupState["look"]>) => {
      state = { ...state, look: { ...state.look, ...change } };
    };
    switch (name) {
      case "b":
      case "i":
        look(name === "b" ? { bold: on } : { italic: on });
        return true;
      case "strike":
      case "striked":
        look({ strike: on });
        return true;
      case "super":
      case "up":
        look({ sup: on, sub: false });
        return true;
      case "sub":
      case "dn":
        look({ sub: on, sup: false });
        return true;
      case "nosupersub":
        look({ sub: false, sup: false });
        return true;
      case "plain":
        state = { ...state, look: NO_LOOK, hidden: false, font: -1 };
        return true;
      case "v":
      case "deleted":
        state = { ...state, hidden: on };
        return true;
      case "f":
        state = { ...state, font: value ?? 0 };
        return true;
      case "uc":
        state = { ...state, fallback: Math.min(16, Math.max(0, value ?? 1)) };
        return true;
      case "ansicpg":
        if (value) encoding = codePage(value);
        return true;
      case "mac":
      case "pc":
      case "pca":
        encoding = codePage(name === "mac" ? 10000 : name === "pc" ? 437 : 850);
        return true;
      case "deff":
        defaultFont = value ?? 0;
        return true;
      default:
        return false;
    }
  };

  const paragraph = (change: Partial<ParagraphState>) => {
    state = { ...state, paragraph: { ...state.paragraph, ...change } };
  };
  const bodyControl = (name: string, value: number | undefined) => {
    switch (name) {
      case "par":
      case "page":
      case "sect":
        endParagraph();
        return;
      case "pard":
        paragraph(NEW_PARAGRAPH);
        marker = undefined;
        return;
      case "s":
        paragraph({ style: value ?? 0 });
        return;
      case "outlinelevel":
        paragraph({ outlineLevel: value });
        return;
      case "ls":
        paragraph({ list: value ?? 0 });
        return;
      case "ilvl":
        paragraph({ level: Math.min(8, Math.max(0, value ?? 0)) });
        return;
      case "intbl":
        paragraph({ tables: Math.max(1, state.paragraph.tables) });
        return;
      case "itap":
        paragraph({ tables: Math.max(0, value ?? 0) });
        return;
      default:
        tableControl(name, value);
    }
  };
  const tableControl = (name: string, value: number | undefined) => {
    if (rows.control(name, value)) return;
    if (name === "cell" || name === "nestcell") {
      const tables = name === "cell" ? 1 : Math.max(2, state.paragraph.tables);
      paragraph({ tables });
      endParagraph();
      story().endCell(tables);
    } else if (name === "row" || name === "nestrow") {
      const { definitions, isHeader } = rows.current();
      story().endRow(name === "row" ? 1 : Math.max(2, state.paragraph.tables), definitions, isHeader);
      rows.end();
    }
  };

  const token = (each: RtfToken) => {
    switch (each.type) {
      case "open":
        open();
        return;
      case "close":
        if (state.destination === "fonts" || state.destination === "styles") endEntries();
        close();
        return;
      case "control":
        // A control word within the fallback of a character counts as one.
        if (skip > 0 && !/^(?:u|par|cell|row|uc)$/.test(each.name)) skip -= 1;
        else control(each.name, each.value);
        return;
      case "hex":
        isStarred = false;
        if (skip > 0) skip -= 1;
        else if (state.destination !== "skip") raw.push(each.byte);
        return;
      case "bytes": {
        isStarred = false;
        const from = Math.min(each.end, each.start + skip);
        skip -= from - each.start;
        if (state.destination === "skip") return;
        for (let at = from; at < each.end; at++) raw.push(bytes[at] ?? 0);
        if (state.destination === "fonts" || state.destination === "styles") endEntries();
      }
    }
  };

  let count = 0;
  for (const each of rtfTokens(bytes)) {
    count += 1;
    if (count % 65_536 === 0) options.onProgress?.(count);
    token(each);
  }
  const isCut = groups.length > 0;
  while (groups.length > 0) close();
  if (story().hasText()) endParagraph();
  const blocks = [...margins, ...story().finish(), ...notes, ...comments];
  return { blocks, properties: info.properties(links), isCut };
}

/** Destinations that may be skipped by who does not know them, but are read here. */
const KNOWN_STARRED = new Set(["shpinst", "cs", "ds", "ts", "nesttableprops", "ud", "pnseclvl"]);

function linkOf(instruction: string): string | undefined {
  const address = /^\s*HYPERLINK\s+(?:\\[a-z]\s+)*(?:"([^"]{1,4000})"|([^\s"\\]{1,4000}))/i.exec(instruction);
  const found = (address?.[1] ?? address?.[2])?.trim();
  return found !== undefined && /^(?:https?|mailto|ftp):/i.test(found) ? found : undefined;
}
