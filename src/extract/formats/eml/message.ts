import PostalMime, { type Address, type Attachment, type Email } from "postal-mime";
import { decodeText, detectEncoding } from "../../encoding.ts";
import { DocumentFault, LimitFault } from "../../errors.ts";
import type { ExtractLimits } from "../../extractor.ts";

export type { Attachment, Email };

/** Messages are forwarded within messages; deeper than this nobody does. */
const MAX_MIME_DEPTH = 100;

/**
 * Parses a message. Messages inside are attachments.
 * @throws DocumentFault `LIMIT_EXCEEDED` for too deeply nested or too many parts, `DOCUMENT_CORRUPT`
 */
export async function parseMessage(bytes: Uint8Array, limits: ExtractLimits): Promise<Email> {
  let email: Email;
  try {
    email = await PostalMime.parse(asBytes(bytes), {
      forceRfc822Attachments: true,
      attachmentEncoding: "arraybuffer",
      maxNestingDepth: Math.min(limits.maxDepth, MAX_MIME_DEPTH),
    });
  } catch (error) {
    if (error instanceof Error && /^Maximum /.test(error.message)) {
      throw new DocumentFault(
        "LIMIT_EXCEEDED",
        `The message goes beyond what is read: ${error.message}.`,
        error,
      );
    }
    throw new DocumentFault("DOCUMENT_CORRUPT", "The message cannot be read as e-mail (RFC 5322).", error);
  }
  if (email.attachments.length > limits.maxMembers) {
    throw new LimitFault(
      "maxMembers",
      `The message has more than the ${limits.maxMembers} attachments allowed.`,
    );
  }
  return email;
}

/** A message is bytes with ASCII headers; some programs save it as UTF-16, or with the envelope line of a mailbox. */
function asBytes(bytes: Uint8Array): Uint8Array {
  const encoding = detectEncoding(bytes.subarray(0, 4096), true) ?? "";
  const plain = /^utf-(?:16|32)/.test(encoding)
    ? Buffer.from(decodeText(bytes, encoding).text)
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (plain.toString("latin1", 0, 5) !== "From ") return plain;
  return plain.subarray(plain.indexOf(10) + 1);
}

/** `Name <address>` for each mailbox; members of groups each by themselves. */
export function mailboxes(addresses: readonly Address[] | undefined): string[] {
  return (addresses ?? []).flatMap((each) => {
    if (each.group) return mailboxes(each.group);
    if (!each.address) return each.name ? [each.name] : [];
    return [each.name && each.name !== each.address ? `${each.name} <${each.address}>` : each.address];
  });
}
