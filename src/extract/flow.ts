import { LimitFault } from "./errors.ts";
import { markdownOf } from "./flatten.ts";
import { joinRuns, type Run, type Style } from "./inline.ts";
import type { Block, ListItem } from "./model.ts";

/** Counts the characters of a document down, across all its flows. */
export interface OutputBudget {
  spend(characters: number): void;
}

/** @throws DocumentFault `LIMIT_EXCEEDED` from `spend`, once more than `maxCharacters` were spent */
export function outputBudget(maxCharacters: number): OutputBudget {
  let left = maxCharacters;
  return {
    spend(characters) {
      left -= characters;
      if (left < 0) {
        throw new LimitFault(
          "maxOutputCharacters",
          `The document has more than the ${maxCharacters} characters of text allowed; split it.`,
        );
      }
    },
  };
}

/** Builds blocks from a document read from front to back; formats with inline markup write into it. */
export interface Flow {
  /** Adds text to the current paragraph; blanks are collapsed. */
  text(text: string, style?: Style): void;
  /** Adds text as it is, blanks and all. */
  exact(text: string, style?: Style): void;
  /** Adds an image; one that stands alone in its paragraph becomes a block. */
  image(alt: string, target: string, style?: Style): void;
  /** Ends the current paragraph; without text there is none. */
  endParagraph(): void;
  /** Ends the current paragraph as a heading instead. */
  endHeading(level: number): void;
  /** Adds a block of its own, ending what came before. */
  push(block: Block): void;
  openList(ordered: boolean, start?: number, step?: number): void;
  /** Begins the next item; `marker` overrides its number or sign. */
  openItem(marker?: string): void;
  closeItem(): void;
  closeList(): void;
  openQuote(): void;
  closeQuote(): void;
  /** Ends everything and returns the blocks. */
  finish(): Block[];
}

interface OpenList {
  ordered: boolean;
  next: number;
  step: number;
  /** The marker of an item that has no text yet. */
  waiting: string | undefined;
  inItem: boolean;
}

export function createFlow(budget: OutputBudget): Flow {
  const blocks: Block[] = [];
  const lists: OpenList[] = [];
  let runs: Run[] = [];
  let list: Extract<Block, { type: "list" }> | undefined;
  let quotes = 0;

  const add = (run: Run) => {
    // A little for each piece, so that empty ones without end are counted too.
    budget.spend(run.text.length + 1);
    runs.push(run);
  };
  const take = () => {
    const taken = runs;
    runs = [];
    return taken;
  };
  const addItem = (item: ListItem) => {
    if (!list) {
      list = { type: "list", ordered: lists[0]?.ordered ?? false, items: [] };
      blocks.push(list);
    }
    list.items.push(item);
  };

  const endParagraph = () => {
    const taken = take();
    if (taken.length === 0) return;
    const inline = joinRuns(taken);
    if (taken.every((run) => run.image !== undefined || run.text.trim() === "") && lists.length === 0) {
      for (const { text, image } of taken) {
        if (image !== undefined && (image || text))
          blocks.push({ type: "image", alt: text, ...(image && { target: image }) });
      }
      return;
    }
    if (inline.text === "" && !inline.markdown) return;
    const current = lists.at(-1);
    if (!current?.inItem) {
      if (lists.length === 0) blocks.push({ type: quotes > 0 ? "quote" : "paragraph", ...inline });
      else addItem({ level: lists.length - 1, ...inline });
    } else if (current.waiting !== undefined) {
      const marker = current.waiting;
      current.waiting = undefined;
      addItem({ level: lists.length - 1, ...inline, ...(marker !== "" && { marker }) });
    } else appendToItem(inline);
  };

  const appendToItem = (inline: { text: string; markdown?: string }) => {
    const last = list?.items.at(-1);
    if (!last || last.level !== lists.length - 1) {
      if (last) addItem({ level: lists.length, ...inline });
      else blocks.push({ type: "paragraph", ...inline });
      return;
    }
    if (last.markdown !== undefined || inline.markdown !== undefined) {
      last.markdown = `${markdownOf(last)}\n${markdownOf(inline)}`;
    }
    last.text += `\n${inline.text}`;
  };

  const flow: Flow = {
    text(text, style = {}) {
      if (text !== "") add({ text: text.replace(/[\s\u00a0]+/g, " "), style });
    },
    exact(text, style = {}) {
      if (text !== "") add({ text, style });
    },
    image(alt, target, style = {}) {
      add({ text: alt.replace(/\s+/g, " ").trim(), style, image: /^data:/i.test(target) ? "" : target });
    },
    endParagraph,
    endHeading(level) {
      const inline = joinRuns(take());
      if (inline.text === "") return;
      list = undefined;
      blocks.push({ type: "heading", level, ...inline, text: inline.text.replace(/\n/g, " ") });
    },
    push(block) {
      endParagraph();
      list = undefined;
      blocks.push(block);
    },
    openList(ordered, start = 1, step = 1) {
      endParagraph();
      if (lists.length === 0) list = undefined;
      lists.push({ ordered, next: start, step, waiting: undefined, inItem: false });
    },
    openItem(marker) {
      endParagraph();
      let current = lists.at(-1);
      if (!current) {
        flow.openList(false);
        current = lists[0] as OpenList;
      }
      const sign = current.ordered ? `${current.next}.` : lists[0]?.ordered ? "-" : "";
      current.next += current.step;
      current.waiting = marker ?? sign;
      current.inItem = true;
    },
    closeItem() {
      endParagraph();
      const current = lists.at(-1);
      if (current) current.inItem = false;
    },
    closeList() {
      endParagraph();
      lists.pop();
      if (lists.length === 0) list = undefined;
    },
    openQuote() {
      endParagraph();
      quotes++;
    },
    closeQuote() {
      endParagraph();
      quotes--;
    },
    finish() {
      endParagraph();
      return blocks;
    },
  };
  return flow;
}
