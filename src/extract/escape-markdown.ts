/**
 * Writes plain text as inline Markdown that reads back as the same text: nothing in it becomes emphasis, a
 * link, code, HTML, a formula or an entity. Starts of lines are `guardLines`' business. Linear time.
 */
export function escapeMarkdown(text: string): string {
  const escaped = text
    .replace(/[\\`*[\]]/g, "\\$&")
    .replace(/(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, "\\_")
    .replace(/<(?=[a-zA-Z/!?])/g, "\\<")
    .replace(/&(?=#?[a-zA-Z0-9]{1,32};)/g, "\\&");
  return escapePaired(escapePaired(escaped, "$"), "~");
}

/** One sign alone cannot open and close a formula or struck-out text; amounts of money stay readable. */
function escapePaired(text: string, sign: string): string {
  const first = text.indexOf(sign);
  return first < 0 || first === text.lastIndexOf(sign) ? text : text.replaceAll(sign, `\\${sign}`);
}

/**
 * Keeps each line of inline Markdown from starting a block of its own: a heading, list, quote, fence, rule,
 * table or indented code. Leading blanks go; blank lines too; a line break inside becomes a hard one.
 */
export function guardLines(inline: string): string {
  if (!/[\r\n]/.test(inline)) return guardLine(inline);
  return inline
    .split(/\r\n|\r|\n/)
    .map(guardLine)
    .filter((line) => line !== "")
    .join("  \n");
}

function guardLine(raw: string): string {
  const line = raw.trim();
  if (/^(?:[#>+|:=*_-]|~~~|`{3,}[^`]*$)/.test(line)) return startsBlock(line) ? `\\${line}` : line;
  return line.replace(/^(\d{1,9})([.)])(?=\s|$)/, "$1\\$2");
}

function startsBlock(line: string): boolean {
  if (line.startsWith("#")) return /^#{1,6}(?:\s|$)/.test(line);
  if (line.startsWith("+")) return /^\+(?:\s|$)/.test(line);
  if (line.startsWith("-")) return /^-(?:\s|$)/.test(line) || /^[-\s|:]+$/.test(line);
  if (/^[*_]/.test(line)) return /^\*(?:\s|$)|^[*_\s]{3,}$/.test(line);
  if (line.startsWith("=")) return /^=+$/.test(line);
  if (line.startsWith(":")) return /^[-\s|:]+$/.test(line);
  return true;
}

/** Inline Markdown for a table cell: one line, no bare pipe. */
export function cellMarkdown(inline: string): string {
  const line = trimmedLines(inline).join("<br>");
  // Readers differ on a pipe after an even run of backslashes; an entity is safe with all of them.
  const parts = line.split("|");
  const last = parts.pop() ?? "";
  return parts.map((part) => part + pipeAfter(part)).join("") + last;
}

function pipeAfter(part: string): string {
  let start = part.length;
  while (part[start - 1] === "\\") start--;
  const slashes = part.length - start;
  return slashes % 2 === 1 ? "|" : slashes > 0 ? "&#124;" : "\\|";
}

/** `![alt](target)`, whatever the two contain; a `data:` target is left out. */
export function imageMarkdown(alt: string, target = ""): string {
  const shown = escapeMarkdown(alt.replace(/\s+/g, " ").trim());
  return `![${shown}](${linkTarget(/^data:/i.test(target) ? "" : target)})`;
}

/** `[label](target)`; `label` is inline Markdown already. Without a target the label alone. */
export function linkMarkdown(label: string, target: string): string {
  const address = linkTarget(target);
  return address === "" || /^(?:javascript|data|vbscript):/i.test(address) ? label : `[${label}](${address})`;
}

function linkTarget(target: string): string {
  return target
    .trim()
    .replace(/[\s<>()\\|]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`);
}

/** Inline code with as many backticks around as its text needs. */
export function codeSpan(text: string): string {
  const line = /[\r\n]/.test(text) ? trimmedLines(text).join(" ") : text;
  if (line.trim() === "") return "";
  const fence = "`".repeat(longestRun(line) + 1);
  return /^`|`$|^ .* $/.test(line) ? `${fence} ${line} ${fence}` : `${fence}${line}${fence}`;
}

/** A fenced block whose fence is longer than any run of backticks inside. */
export function fencedCode(text: string, language = ""): string {
  const fence = "`".repeat(Math.max(3, longestRun(text) + 1));
  return `${fence}${language.replace(/[^\w+#.-]/g, "").slice(0, 40)}\n${withoutLastLineEnds(text)}\n${fence}`;
}

function longestRun(text: string): number {
  let longest = 0;
  for (const run of text.matchAll(/`+/g)) longest = Math.max(longest, run[0].length);
  return longest;
}

/** The lines that are not blank. Not by one pattern: blanks around an optional line end take quadratic time. */
function trimmedLines(text: string): string[] {
  return text
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

function withoutLastLineEnds(text: string): string {
  let end = text.length;
  while (text[end - 1] === "\n") end--;
  return text.slice(0, end);
}
