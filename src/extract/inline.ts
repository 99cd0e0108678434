import { codeSpan, escapeMarkdown, imageMarkdown, linkMarkdown } from "./escape-markdown.ts";

/** How a stretch of text is set; `link` is where it leads. */
export interface Style {
  readonly bold?: boolean;
  readonly italic?: boolean;
  readonly strike?: boolean;
  readonly sub?: boolean;
  readonly sup?: boolean;
  readonly code?: boolean;
  readonly math?: boolean;
  readonly link?: string;
}

/** A stretch of one style. `\n` is a line break; other blanks were collapsed by whoever made it. */
export interface Run {
  readonly text: string;
  readonly style: Style;
  /** The stretch is an image with this source; `text` is its alternative text. */
  readonly image?: string;
}

const MARKS = [
  ["bold", "**", "**"],
  ["italic", "*", "*"],
  ["strike", "~~", "~~"],
  ["sub", "<sub>", "</sub>"],
  ["sup", "<sup>", "</sup>"],
] as const;

/**
 * The plain text of runs and, only where it differs, their Markdown. Blanks at both ends and around line
 * breaks go; marks of emphasis never enclose a blank at their edge, which Markdown would not read.
 */
export function joinRuns(runs: readonly Run[]): { text: string; markdown?: string } {
  let text = "";
  let markdown = "";
  let styled = false;
  let open: Style = {};
  let blank = "";
  for (const run of merged(runs)) {
    const core = run.text.trim();
    const lead = run.text.slice(0, run.text.length - run.text.trimStart().length);
    blank = joinBlanks(blank, lead);
    if (core === "" && run.image === undefined) continue;
    if (text === "" && markdown === "") blank = "";
    const plain = Object.keys(run.style).length === 0 && run.image === undefined;
    if (!plain) styled = true;
    text += blank + core;
    markdown += closing(open, run.style) + blank + opening(open, run.style) + inner(run, core);
    open = run.style;
    blank = run.text.slice(run.text.trimEnd().length);
  }
  markdown += closing(open, {});
  return styled ? { text: text.trim(), markdown: markdown.trim() } : { text: text.trim() };
}

function inner(run: Run, core: string): string {
  if (run.image !== undefined) return imageMarkdown(core, run.image);
  if (run.style.code) return codeSpan(core);
  if (run.style.math) return `$${core.replace(/\s+/g, " ").replaceAll("$", "\\$")}$`;
  return escapeMarkdown(core).replaceAll("\n", "  \n");
}

const joinBlanks = (before: string, after: string) =>
  before.includes("\n") || after.includes("\n") ? "\n" : before || after ? " " : "";

function merged(runs: readonly Run[]): Run[] {
  const out: Run[] = [];
  for (const run of runs) {
    const last = out.at(-1);
    if (last && last.image === undefined && run.image === undefined && sameStyle(last.style, run.style)) {
      out[out.length - 1] = { text: last.text + run.text, style: last.style };
    } else out.push(run);
  }
  return out;
}

function sameStyle(a: Style, b: Style): boolean {
  if (a === b) return true;
  return (
    a.link === b.link &&
    a.code === b.code &&
    a.math === b.math &&
    MARKS.every(([name]) => !a[name] === !b[name])
  );
}

/** How many of the marks of both styles, link first, agree from the outside in. */
function shared(a: Style, b: Style): number {
  if (a.link !== b.link) return -1;
  const end = MARKS.findIndex(([name]) => !a[name] !== !b[name]);
  return end < 0 ? MARKS.length : end;
}

function closing(from: Style, to: Style): string {
  const keep = shared(from, to);
  const marks = MARKS.filter(([name], i) => from[name] && i >= keep).map(([, , close]) => close);
  const link = keep < 0 && from.link !== undefined ? linkMarkdown("", from.link).slice(1) : "";
  return marks.reverse().join("") + link;
}

function opening(from: Style, to: Style): string {
  const keep = shared(from, to);
  const link = keep < 0 && to.link !== undefined && linkMarkdown("", to.link) !== "" ? "[" : "";
  return (
    link +
    MARKS.filter(([name], i) => to[name] && i >= keep)
      .map(([, open]) => open)
      .join("")
  );
}
