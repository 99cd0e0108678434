import { createHash } from "node:crypto";
import { withChildren } from "../children.ts";
import type { ChildResult, ExtractInput, Extractor } from "../extractor.ts";
import { type OutputBudget, outputBudget } from "../flow.ts";
import { MEDIA } from "../media-types.ts";
import type { Block, DocumentProperties, ExtractedDocument, Json } from "../model.ts";
import { readBytes } from "../read-text.ts";
import { type Attachment, type Email, mailboxes, parseMessage } from "./eml/message.ts";
import { htmlDocument } from "./html.ts";
import { textBlocks } from "./text-blocks.ts";

/**
 * E-mail: the text body, or the HTML one where there is no other. Headers are properties, and with
 * `includeHeadersFooters` also the first block. Attachments are read as documents within the document.
 */
export const extractor: Extractor = {
  name: "eml",
  mediaTypes: [MEDIA.eml],
  async extract(input) {
    const budget = outputBudget(input.limits.maxOutputCharacters);
    return await messageDocument(await readBytes(input), input, budget);
  },
};

async function messageDocument(
  bytes: Uint8Array,
  input: ExtractInput,
  budget: OutputBudget,
): Promise<ExtractedDocument> {
  input.signal.throwIfAborted();
  const email = await parseMessage(bytes, input.limits);
  input.progress(0, 0);
  const head = input.options.includeHeadersFooters ? headerBlocks(email) : [];
  const body = bodyBlocks(email, input, budget);
  const results: ChildResult[] = [];
  for (const attachment of email.attachments) results.push(await child(attachment, input));
  const message = { blocks: [...head, ...body], properties: properties(email), warnings: [] };
  return withChildren(message, results);
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

async function child(attachment: Attachment, input: ExtractInput): Promise<ChildResult> {
  const content = attachment.content;
  const bytes = typeof content === "string" ? Buffer.from(content) : new Uint8Array(content);
  const mediaType = attachment.mimeType.toLowerCase();
  const listed = { name: attachment.filename ?? "", mediaType, sizeBytes: bytes.byteLength };
  // Pictures that the page shows: signatures and logos, mostly.
  const belongsToBody = attachment.related || attachment.disposition === "inline";
  if (mediaType.startsWith("image/") && belongsToBody) {
    return {
      facts: { ...listed, status: "SKIPPED", skipped: "It is a picture within the text of the message." },
    };
  }
  if (mediaType !== MEDIA.eml)
    return (await input.readChild?.({ ...listed, content: bytes })) ?? { facts: listed };
  // By its declaration: a message may begin with any header, or none.
  const budget = (own: ExtractInput) => outputBudget(own.limits.maxOutputCharacters);
  const result = await input.readChild?.({
    ...listed,
    content: (own) => messageDocument(bytes, own, budget(own)),
  });
  if (result === undefined) return { facts: listed };
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const name = result.facts.name || (result.extracted?.properties.title ?? "");
  return { ...result, facts: { ...result.facts, name, sha256 } };
}
