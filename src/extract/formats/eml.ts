import { decodeText } from "../encoding.ts";
import type { ExtractInput, Extractor } from "../extractor.ts";
import { type OutputBudget, outputBudget } from "../flow.ts";
import { MEDIA } from "../media-types.ts";
import type { Block, ChildDocument, DocumentProperties, ExtractedDocument, Json } from "../model.ts";
import { readBytes } from "../read-text.ts";
import { type Attachment, type Email, mailboxes, parseMessage } from "./eml/message.ts";
import { htmlDocument } from "./html.ts";
import { textBlocks } from "./text-blocks.ts";

/** Messages within messages that are read. */
const MAX_MESSAGE_DEPTH = 8;

/**
 * E-mail: the text body, or the HTML one where there is no other. Headers are properties, and with
 * `includeHeadersFooters` also the first block. Attached texts, pages and messages are read as children;
 * other attachments are listed.
 */
export const extractor: Extractor = {
  name: "eml",
  mediaTypes: [MEDIA.eml],
  async extract(input) {
    const budget = outputBudget(input.limits.maxOutputCharacters);
    return await messageDocument(await readBytes(input), input, budget, 1);
  },
};

async function messageDocument(
  bytes: Uint8Array,
  input: ExtractInput,
  budget: OutputBudget,
  depth: number,
): Promise<ExtractedDocument> {
  input.signal.throwIfAborted();
  const email = await parseMessage(bytes, input.limits);
  input.progress(depth, depth + 1);
  const head = input.options.includeHeadersFooters ? headerBlocks(email) : [];
  const body = bodyBlocks(email, input, budget);
  const children: ChildDocument[] = [];
  for (const attachment of email.attachments) children.push(await child(attachment, input, budget, depth));
  return {
    blocks: [...head, ...body],
    properties: properties(email),
    warnings: [],
    ...(children.length > 0 && { children }),
  };
}

function bodyBlocks(email: Email, input: ExtractInput, budget: OutputBudget): Block[] {
  if (email.text?.trim()) return plainBlocks(email.text, budget);
  return email.html?.trim() ? htmlDocument(email.html, input, budget).blocks : [];
}

function plainBlocks(text: string, budget: OutputBudget): Block[] {
  budget.spend(text.length);
  return textBlocks(text.replace(/\r\n?/g, "\n"));
}

function headerBlocks(email: Email): Block[] {
  const fields: [string, string][] = [
    ["Subject", email.subject ?? ""],
    ["From", mailboxes(email.from ? [email.from] : []).join(", ")],
    ["To", mailboxes(email.to).join(", ")],
    ["Cc", mailboxes(email.cc).join(", ")],
    ["Date", email.date ?? ""],
  ];
  const lines = fields.filter(([, value]) => value !== "").map(([name, value]) => `${name}: ${value}`);
  return lines.length > 0 ? [{ type: "paragraph", text: lines.join("\n") }] : [];
}

function properties(email: Email): DocumentProperties {
  const found: DocumentProperties = {};
  const from = mailboxes(email.from ? [email.from] : []);
  if (email.subject) found.title = email.subject;
  if (from.length > 0) found.authors = from;
  if (email.date) found.created = email.date;
  const extra: { [key: string]: Json } = {};
  const add = (name: string, value: Json | undefined) => {
    if (value !== undefined && value !== "" && !(Array.isArray(value) && value.length === 0))
      extra[name] = value;
  };
  add("from", from);
  add("to", mailboxes(email.to).slice(0, 1000));
  add("cc", mailboxes(email.cc).slice(0, 1000));
  add("replyTo", mailboxes(email.replyTo));
  add("messageId", email.messageId);
  add("inReplyTo", email.inReplyTo);
  add("attachments", email.attachments.length);
  return { ...found, extra };
}

async function child(
  attachment: Attachment,
  input: ExtractInput,
  budget: OutputBudget,
  depth: number,
): Promise<ChildDocument> {
  const content = attachment.content;
  const bytes = typeof content === "string" ? Buffer.from(content) : new Uint8Array(content);
  const mediaType = attachment.mimeType.toLowerCase();
  const listed = { name: attachment.filename ?? "", mediaType, sizeBytes: bytes.byteLength };
  if (mediaType === MEDIA.eml) {
    if (depth >= Math.min(MAX_MESSAGE_DEPTH, input.limits.maxDepth)) {
      return { ...listed, skipped: "It lies too deep inside other messages." };
    }
    const inner = await messageDocument(bytes, input, budget, depth + 1);
    return { ...listed, name: listed.name || (inner.properties.title ?? ""), blocks: inner.blocks };
  }
  if (mediaType === MEDIA.html)
    return { ...listed, blocks: htmlDocument(decodeText(bytes).text, input, budget).blocks };
  if (mediaType === MEDIA.text) return { ...listed, blocks: plainBlocks(decodeText(bytes).text, budget) };
  return {
    ...listed,
    skipped: "Attachments of this type are listed, not read; send it as a document of its own.",
  };
}
