import { cleanText } from "./sanitize.ts";
import type { FileVerdict } from "./verify-file.ts";

/** Messages hold what stands in a file that anybody may have written. */
const MAX_TEXT = 1_000;

/** What became of the verification of a file, in lines for people. */
export function fileVerdictText(verdict: FileVerdict): string {
  const { broken, header, checked, first, last, checkpoints, fingerprint, ownKey } = verdict;
  const { anchor } = header;
  const lines: string[] = [];
  if (broken) {
    lines.push(`${broken.fault}: ${cleanText(broken.message, MAX_TEXT)}`);
    if (broken.id) lines.push(`Its id: ${cleanText(broken.id)}`);
  } else if (!header.chain) {
    lines.push(
      `The file is as the server wrote it on ${header.time}, with ${checked} entries. It does not hold the chain: what was in the database before cannot be told from it.`,
    );
  } else {
    const range = last > 0 ? `Entries ${first} to ${last}` : "The export";
    lines.push(
      `${range} ${last > 0 ? "are" : "is"} as written: the content of ${checked} was compared, and ${checkpoints === 1 ? "one checkpoint fits" : `${checkpoints} checkpoints fit`}.`,
    );
  }
  if (anchor.time !== null) {
    lines.push(
      `Retention had removed entries from before ${anchor.time}, numbers up to ${anchor.sequence}; a signed checkpoint stands for them.`,
    );
  }
  lines.push(`Key: SHA-256 ${fingerprint}`);
  if (ownKey) {
    lines.push(
      "The key is the one in the file, which a forger could have put there: compare it with that of `sluice audit key`, or name it with --key.",
    );
  }
  return lines.join("\n");
}

/** The same as one line of JSON. */
export function fileVerdictJson({ broken, header, ...verdict }: FileVerdict): string {
  return JSON.stringify({
    ok: broken === null,
    fault: broken?.fault ?? null,
    first_broken_sequence: broken?.sequence ?? 0,
    first_broken_id: broken?.id ?? "",
    message: broken ? cleanText(broken.message, MAX_TEXT) : "",
    chain: header.chain,
    checked: verdict.checked,
    first_sequence: verdict.first,
    last_sequence: verdict.last,
    checkpoints: verdict.checkpoints,
    removed_sequence: header.anchor.sequence,
    key_fingerprint: verdict.fingerprint,
    key_from_file: verdict.ownKey,
  });
}
