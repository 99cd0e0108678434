import { codeSpan, escapeMarkdown, linkMarkdown } from "../../escape-markdown.ts";

/** A stretch of text with one look. */
export interface Span {
  text: string;
  bold?: boolean;
  italic?: boolean;
  strike?: boolean;
  code?: boolean;
  raised?: "sup" | "sub";
  /** The text is LaTeX. */
  formula?: boolean;
  /** The text is the label of a note. */
  note?: boolean;
  link?: string;
}

/** Text, and beside it Markdown where the look of a span makes it differ. */
export interface Inline {
  text: string;
  markdown?: string;
}

/** Joins spans to text and Markdown. Blanks at the edges are dropped; emphasis never starts or ends at a blank. */
export function inlineOf(spans: readonly Span[]): Inline {
  const merged = mergeSpans(spans);
  const text = merged.map(plainText).join("").trim();
  if (!merged.some(isMarked)) return { text };
  const markdown = merged.map(markdownOf).join("").trim();
  // Readers of a part without Markdown escape its text, so formulas need theirs even where it looks the same.
  return markdown === escapeMarkdown(text) ? { text } : { text, markdown };
}

/** The same spans without bold and italic, for places that are set off as a whole. */
export function withoutEmphasis(spans: readonly Span[]): Span[] {
  return spans.map(({ bold: _bold, italic: _italic, ...span }) => span);
}

/** Joins parts that each have text and perhaps Markdown. */
export function joinInline(parts: readonly Inline[], separator: string): Inline {
  const text = parts.map((part) => part.text).join(separator);
  if (!parts.some((part) => part.markdown !== undefined)) return { text };
  return { text, markdown: parts.map((part) => part.markdown ?? escapeMarkdown(part.text)).join(separator) };
}

function plainText(span: Span): string {
  if (span.note) return `[${span.text}]`;
  return span.formula ? `$${span.text}$` : span.text;
}

const isMarked = (span: Span) =>
  Boolean(
    span.bold ||
      span.italic ||
      span.strike ||
      span.code ||
      span.raised ||
      span.formula ||
      span.note ||
      span.link,
  ) && span.text.trim() !== "";

function mergeSpans(spans: readonly Span[]): Span[] {
  const merged: Span[] = [];
  for (const span of spans) {
    if (span.text === "") continue;
    const last = merged.at(-1);
    if (last !== undefined && sameLook(last, span)) last.text += span.text;
    else merged.push({ ...span });
  }
  return merged;
}

function sameLook(a: Span, b: Span): boolean {
  return (
    !a.formula &&
    !b.formula &&
    !a.note &&
    !b.note &&
    !a.bold === !b.bold &&
    !a.italic === !b.italic &&
    !a.strike === !b.strike &&
    !a.code === !b.code &&
    a.link === b.link &&
    a.raised === b.raised
  );
}

function markdownOf(span: Span): string {
  if (span.note) return `[^${span.text}]`;
  if (span.formula) return `$${span.text}$`;
  if (!isMarked(span)) return escapeMarkdown(span.text);
  const core = span.text.trim();
  const start = span.text.indexOf(core);
  const before = span.text.slice(0, start);
  const after = span.text.slice(start + core.length);
  let markdown = span.code ? codeSpan(core) : escapeMarkdown(core);
  if (span.raised) markdown = `<${span.raised}>${markdown}</${span.raised}>`;
  if (span.italic) markdown = `*${markdown}*`;
  if (span.bold) markdown = `**${markdown}**`;
  if (span.strike) markdown = `~~${markdown}~~`;
  if (span.link) markdown = linkMarkdown(markdown, span.link);
  return before + markdown + after;
}
