import { jsonShape } from "./detect-json.ts";
import { delimitedBy } from "./formats/csv-dialect.ts";
import { extensionOf, MEDIA } from "./media-types.ts";

/**
 * What kind of text this is, by what it says. The name only decides between plain text, tables and Markdown,
 * which cannot always be told apart. `cut` tells that `text` is only the beginning. Linear time.
 */
export function detectText(text: string, filename: string, cut: boolean): string {
  const start = text.trimStart();
  if (start.startsWith("{\\rtf")) return MEDIA.rtf;
  if (/^WEBVTT(?:\s|$)/.test(start)) return MEDIA.vtt;
  if (/^\d{1,9}\r?\n\d\d:\d\d:\d\d,\d{3} --> /.test(start)) return MEDIA.srt;
  const extension = extensionOf(filename);
  if (start.startsWith("<")) {
    const markup = markupType(start);
    if (markup && !(markup === MEDIA.html && isMarkdownName(extension))) return markup;
  }
  if (/^[[{]/.test(start)) {
    const shape = jsonShape(start, cut);
    if (shape === "lines") return MEDIA.ndjson;
    if (shape === "one") return isNotebook(start) ? MEDIA.ipynb : MEDIA.json;
  }
  if (isMessage(start)) return MEDIA.eml;
  return plainKind(text, extension, cut);
}

/** A notebook names its format at its end, which may lie behind what is looked at. */
const isNotebook = (start: string) =>
  /"(?:cells|worksheets)"\s*:/.test(start) &&
  (/"nbformat"\s*:/.test(start) || /^\{\s*"cells"\s*:\s*\[\s*\{[^{}]{0,400}"cell_type"\s*:/.test(start));

const isMarkdownName = (extension: string) => /^(md|markdown|mdown|mkdn?|mdx|qmd|rmd)$/.test(extension);

function plainKind(text: string, extension: string, cut: boolean): string {
  if (isMarkdownName(extension)) return MEDIA.markdown;
  const byName = /^(csv|tsv|tab)$/.test(extension);
  const delimiter = delimitedBy(text, { cut, lenient: byName });
  if (byName) return delimiter === "\t" || (extension !== "csv" && !delimiter) ? MEDIA.tsv : MEDIA.csv;
  if (extension === "txt" || extension === "text" || extension === "log") {
    return MEDIA.text;
  }
  if (delimiter) return delimiter === "\t" ? MEDIA.tsv : MEDIA.csv;
  return extension === "" && looksLikeMarkdown(text) ? MEDIA.markdown : MEDIA.text;
}

function looksLikeMarkdown(text: string): boolean {
  const head = text.slice(0, 32_768);
  const signs = [
    /^#{1,6} \S/m,
    /^(?:```|~~~)/m,
    /\[[^\]\n]{1,200}\]\([^)\s]{1,500}\)/,
    /^\|? ?:?-{3,}:? ?\|/m,
    /\*\*[^*\n]{1,200}\*\*/,
    /^[-*+] \S/m,
    /^> \S/m,
  ];
  return signs.filter((sign) => sign.test(head)).length >= 2;
}

const KNOWN_HEADERS =
  /^(from|to|cc|bcc|subject|date|sender|reply-to|message-id|received|mime-version|return-path|content-type|content-transfer-encoding|delivered-to|in-reply-to|references|dkim-signature|x-[\w-]+|authentication-results|user-agent|thread-topic)$/i;
const TELLING_HEADERS = /^(from|message-id|received|mime-version|return-path|delivered-to)$/i;

/** RFC 5322: a block of headers, among them some that only messages have. */
function isMessage(start: string): boolean {
  let known = 0;
  let telling = 0;
  for (const [i, line] of start.slice(0, 16_384).split(/\r?\n/).entries()) {
    if (line.trim() === "") break;
    if (/^[ \t]/.test(line) || (i === 0 && line.startsWith("From "))) continue;
    const name = /^([\x21-\x39\x3b-\x7e]{1,76})[ \t]*:/.exec(line)?.[1];
    if (name === undefined) return false;
    if (KNOWN_HEADERS.test(name)) known++;
    if (TELLING_HEADERS.test(name)) telling++;
  }
  return known >= 2 && telling >= 1;
}

const HTML_ELEMENTS = new Set(
  (
    "html head body title meta link script style div span p a table thead tbody tr td th ul ol li dl dt dd h1 h2 h3 h4 h5 h6 " +
    "br hr img form input button section header footer nav main aside figure pre code blockquote b i em strong center font iframe base"
  ).split(" "),
);

function markupType(start: string): string | undefined {
  let at = 0;
  let declared = false;
  let doctype = "";
  // Prologue: declaration, comments, processing instructions and document type, in any order.
  for (let i = 0; i < 100; i++) {
    while (/\s/.test(start[at] ?? "")) at++;
    if (start.startsWith("<?", at)) {
      declared ||= start.startsWith("<?xml", at);
      at = after(start, "?>", at);
    } else if (start.startsWith("<!--", at)) at = after(start, "-->", at);
    else if (/^<!doctype/i.test(start.slice(at, at + 9))) {
      const end = /^[^[>]*(?:\[[^\]]*\]\s*)?>/.exec(start.slice(at, at + 65_536))?.[0].length ?? 9;
      doctype = start.slice(at, at + end);
      at += end;
    } else break;
  }
  if (/^<!doctype\s+html/i.test(doctype)) return declared ? MEDIA.xhtml : MEDIA.html;
  const root = /^<([A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)([^<>]*)/.exec(start.slice(at, at + 16_384));
  if (!root) return declared || doctype ? MEDIA.xml : undefined;
  const name = root[2] ?? "";
  const attributes = root[3] ?? "";
  if (name.toLowerCase() === "html")
    return declared && attributes.includes("xhtml") ? MEDIA.xhtml : MEDIA.html;
  if (
    name === "article" &&
    (/JATS|NLM|JournalP|Archiv/i.test(doctype) ||
      /article-type|dtd-version/.test(attributes) ||
      /<(front|journal-meta|article-meta)[\s>]/.test(start))
  )
    return MEDIA.jats;
  if (name === "rss" || name === "RDF") return MEDIA.rss;
  if (name === "feed" && attributes.includes("Atom")) return MEDIA.atom;
  if (name === "svg") return MEDIA.svg;
  if (declared || doctype) return MEDIA.xml;
  if (HTML_ELEMENTS.has(name.toLowerCase())) return MEDIA.html;
  return /^\s|^$|^\/$/.test(attributes) &&
    new RegExp(`</(${root[1] ?? ""})?${name.replace(/[.-]/g, "\\$&")}\\s*>|/>`).test(start)
    ? MEDIA.xml
    : undefined;
}

function after(text: string, mark: string, from: number): number {
  const end = text.indexOf(mark, from);
  return end < 0 ? text.length : end + mark.length;
}
