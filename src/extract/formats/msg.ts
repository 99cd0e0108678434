import { withChildren } from "../children.ts";
import { type CompoundEntry, type CompoundFile, openCompound } from "../compound.ts";
import { decodeText } from "../encoding.ts";
import { DocumentFault, LimitFault } from "../errors.ts";
import type { ChildResult, ExtractInput, Extractor } from "../extractor.ts";
import { type OutputBudget, outputBudget } from "../flow.ts";
import { MEDIA } from "../media-types.ts";
import type { Block, DocumentProperties, ExtractedDocument, Json } from "../model.ts";
import { readBytes } from "../read-text.ts";
import { htmlDocument } from "./html.ts";
import { unpackRtf } from "./msg/compressed-rtf.ts";
import { holdsHtml, unwrapHtml } from "./msg/encapsulated-html.ts";
import { type MapiProperties, mapiProperties } from "./msg/properties.ts";
import { readRtf } from "./rtf/reader.ts";
import { textBlocks } from "./text-blocks.ts";

const ID = {
  subject: 0x0037,
  sent: 0x0039,
  received: 0x0e06,
  senderName: 0x0c1a,
  senderType: 0x0c1e,
  senderAddress: 0x0c1f,
  senderSmtp: 0x5d01,
  body: 0x1000,
  html: 0x1013,
  rtf: 0x1009,
  messageId: 0x1035,
  inReplyTo: 0x1042,
  name: 0x3001,
  address: 0x3003,
  smtp: 0x39fe,
  recipientKind: 0x0c15,
  data: 0x3701,
  fileName: 0x3704,
  longFileName: 0x3707,
  mediaType: 0x370e,
  contentId: 0x3712,
  isHidden: 0x7ffe,
} as const;

const [FILE_HEAD, INNER_HEAD, PART_HEAD] = [32, 24, 8];
const MAX_RECIPIENTS = 1000;

/**
 * Messages of Outlook: the text body, or the HTML or RTF one where there is no other. Headers are properties, and
 * with `includeHeadersFooters` also the first block. Attachments are read as documents within the document.
 */
export const extractor: Extractor = {
  name: "msg",
  mediaTypes: [MEDIA.msg],
  async extract(input) {
    const file = openCompound(await readBytes(input));
    return await message(file, file.root, FILE_HEAD, input);
  },
};

async function message(
  file: CompoundFile,
  storage: CompoundEntry,
  headBytes: number,
  input: ExtractInput,
  outerEncoding?: string,
): Promise<ExtractedDocument> {
  input.signal.throwIfAborted();
  const budget = outputBudget(input.limits.maxOutputCharacters);
  try {
    const mapi = mapiProperties(file, storage, headBytes, outerEncoding);
    const recipients = parts(storage, "__recip_version1.0_")
      .slice(0, MAX_RECIPIENTS)
      .map((each) => {
        const own = mapiProperties(file, each, PART_HEAD, mapi.encoding);
        const address = own.text(ID.smtp) ?? own.text(ID.address);
        return { kind: own.number(ID.recipientKind), mailbox: mailbox(own.text(ID.name), address) };
      });
    const attachments = parts(storage, "__attach_version1.0_");
    if (attachments.length > input.limits.maxMembers) {
      throw new LimitFault(
        "maxMembers",
        `The message has more than the ${input.limits.maxMembers} attachments allowed.`,
      );
    }
    const named = (kind: number) =>
      recipients.filter((each) => each.kind === kind).map((each) => each.mailbox);
    const properties = messageProperties(mapi, named(1), named(2), attachments.length);
    const head = input.options.includeHeadersFooters ? headerBlocks(properties) : [];
    const blocks = [...head, ...bodyBlocks(mapi, input, budget)];
    const results: ChildResult[] = [];
    for (const each of attachments) {
      const result = await attachment(file, each, mapi.encoding, input);
      if (result !== undefined) results.push(result);
    }
    return withChildren({ blocks, properties, warnings: [] }, results);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new DocumentFault("DOCUMENT_CORRUPT", "The Outlook message is damaged.", error);
  }
}

const parts = (storage: CompoundEntry, prefix: string) =>
  storage.children
    .filter(({ name, isStorage }) => isStorage && name.toLowerCase().startsWith(prefix))
    .sort((a, b) => (a.name < b.name ? -1 : 1));

function bodyBlocks(mapi: MapiProperties, input: ExtractInput, budget: OutputBudget): Block[] {
  const plain = mapi.text(ID.body) ?? "";
  if (plain.trim() !== "") {
    budget.spend(plain.length);
    return textBlocks(plain.replace(/\r\n?/g, "\n"));
  }
  const bytes = mapi.bytes(ID.html);
  const html = bytes === undefined ? (mapi.text(ID.html) ?? "") : decodeText(bytes).text;
  if (html.trim() !== "") return htmlDocument(html, input, budget).blocks;
  const packed = mapi.bytes(ID.rtf);
  if (packed === undefined || packed.length === 0) return [];
  const rtf = unpackRtf(packed);
  if (holdsHtml(rtf)) return htmlDocument(unwrapHtml(rtf), input, budget).blocks;
  const { includeTables, includeHeadersFooters } = input.options;
  return readRtf(rtf, { maxDepth: input.limits.maxDepth, includeTables, includeHeadersFooters, budget })
    .blocks;
}

function mailbox(name: string | undefined, address: string | undefined): string {
  if (!address) return name ?? "";
  return name && name !== address ? `${name} <${address}>` : address;
}

function messageProperties(
  mapi: MapiProperties,
  to: string[],
  cc: string[],
  attachments: number,
): DocumentProperties {
  // Within an organization the address is a path of its directory, which says nothing to others.
  const isPath = mapi.text(ID.senderType)?.toUpperCase() === "EX";
  const address = mapi.text(ID.senderSmtp) ?? (isPath ? undefined : mapi.text(ID.senderAddress));
  const from = mailbox(mapi.text(ID.senderName), address);
  const found: DocumentProperties = {};
  const subject = mapi.text(ID.subject);
  if (subject) found.title = subject;
  if (from !== "") found.authors = [from];
  const time = mapi.time(ID.sent) ?? mapi.time(ID.received);
  if (time !== undefined) found.created = time;
  const extra: { [key: string]: Json } = { attachments };
  if (from !== "") extra.from = [from];
  if (to.length > 0) extra.to = to;
  if (cc.length > 0) extra.cc = cc;
  const id = mapi.text(ID.messageId);
  if (id) extra.messageId = id;
  const inReplyTo = mapi.text(ID.inReplyTo);
  if (inReplyTo) extra.inReplyTo = inReplyTo;
  return { ...found, extra };
}

function headerBlocks({ title, authors, created, extra }: DocumentProperties): Block[] {
  const list = (value: Json | undefined) => (Array.isArray(value) ? value.join(", ") : "");
  const fields: [string, string][] = [
    ["Subject", title ?? ""],
    ["From", authors?.[0] ?? ""],
    ["To", list(extra?.to)],
    ["Cc", list(extra?.cc)],
    ["Date", created ?? ""],
  ];
  const lines = fields.filter(([, value]) => value !== "").map(([name, value]) => `${name}: ${value}`);
  return lines.length > 0 ? [{ type: "paragraph", text: lines.join("\n") }] : [];
}

async function attachment(
  file: CompoundFile,
  storage: CompoundEntry,
  encoding: string,
  input: ExtractInput,
): Promise<ChildResult | undefined> {
  const mapi = mapiProperties(file, storage, PART_HEAD, encoding);
  const name = mapi.text(ID.longFileName) || mapi.text(ID.fileName) || mapi.text(ID.name) || "";
  const mediaType = (mapi.text(ID.mediaType) ?? "").toLowerCase();
  const inner = mapi.object(ID.data);
  if (inner !== undefined) {
    const content = (own: ExtractInput) => message(file, inner, INNER_HEAD, own, encoding);
    return await input.readChild?.({ name, mediaType: MEDIA.msg, sizeBytes: 0, content });
  }
  const bytes = mapi.bytes(ID.data);
  const facts = { name, mediaType, sizeBytes: bytes?.length ?? 0 };
  // Pictures that the page shows: signatures and logos, mostly.
  const isPicture = mediaType.startsWith("image/") || /\.(?:png|jpe?g|gif|bmp)$/i.test(name);
  if (isPicture && ((mapi.number(ID.isHidden) ?? 0) & 1) === 1) {
    return {
      facts: { ...facts, status: "SKIPPED", skipped: "It is a picture within the text of the message." },
    };
  }
  if (bytes === undefined) {
    return { facts: { ...facts, status: "SKIPPED", skipped: "Only a link to it is in the message." } };
  }
  return await input.readChild?.({ ...facts, content: bytes });
}
