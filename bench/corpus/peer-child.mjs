/**
 * Reads one document with one library and writes its text to standard output; to standard error goes what that took, as
 * JSON. Run by `peers.ts` as `node peer-child.mjs <peer> <file>`.
 */
import { readFile } from "node:fs/promises";

/** @type {Record<string, () => Promise<(path: string) => Promise<string>>>} */
const READERS = {
  async officeparser() {
    const { parseOffice } = await import("officeparser");
    return async (path) => (await (await parseOffice(path)).to("text")).value;
  },
  async mammoth() {
    const { default: mammoth } = await import("mammoth");
    return async (path) => (await mammoth.convertToHtml({ path })).value;
  },
  async unpdf() {
    const { extractText } = await import("unpdf");
    return async (path) =>
      (await extractText(new Uint8Array(await readFile(path)), { mergePages: true })).text;
  },
  async turndown() {
    const { default: Turndown } = await import("turndown");
    const { gfm } = await import("turndown-plugin-gfm");
    const service = new Turndown().use(gfm).remove(["script", "style", "title"]);
    return async (path) => service.turndown(await readFile(path, "utf8"));
  },
  async sheetjs() {
    const { read, utils } = await import("@e965/xlsx");
    return async (path) => {
      const { SheetNames, Sheets } = read(await readFile(path));
      return SheetNames.map((name) => `${name}\n${utils.sheet_to_csv(Sheets[name])}`).join("\n\n");
    };
  },
  async "word-extractor"() {
    const { default: WordExtractor } = await import("word-extractor");
    return async (path) => {
      const document = await new WordExtractor().extract(path);
      return [document.getBody(), document.getFootnotes(), document.getTextboxes()].join("\n");
    };
  },
  async mailparser() {
    const { simpleParser } = await import("mailparser");
    return async (path) => (await simpleParser(await readFile(path))).text ?? "";
  },
  async msgreader() {
    const { default: MsgReader } = await import("@kenjiuno/msgreader");
    const Reader = MsgReader.default ?? MsgReader;
    return async (path) => new Reader((await readFile(path)).buffer).getFileData().body ?? "";
  },
};

const [, , peer = "", path = ""] = process.argv;
const read = await READERS[peer]();
const startedAt = performance.now();
const text = await read(path);
const durationMs = performance.now() - startedAt;
process.stderr.write(`\n${JSON.stringify({ durationMs, peakKib: process.resourceUsage().maxRSS })}\n`);
process.stdout.write(text, () => process.exit(0));
