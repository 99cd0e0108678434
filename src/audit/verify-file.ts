import { createHash, createPublicKey, type KeyObject, verify } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import {
  type ArchiveEnd,
  type ArchiveHeader,
  type ArchiveLine,
  anchorOf,
  checkpointOf,
  endStatement,
  entryOf,
  parseLine,
  pointOf,
} from "./archive.ts";
import { digestOf } from "./chain.ts";
import { fingerprintOf } from "./checkpoint.ts";
import { NoArchiveError, NoKeyError } from "./errors.ts";
import { type Broken, createChainVerifier, truncated } from "./verifier.ts";

/** Longest line: details of 8 KiB, even if each byte is escaped, leave room. */
const MAX_LINE_BYTES = 1024 * 1024;

/** What became of the verification of a file. */
export interface FileVerdict {
  readonly broken: Broken | null;
  /** Entries that were compared with their hashes, or counted where the file does not hold the chain. */
  readonly checked: number;
  readonly first: number;
  readonly last: number;
  readonly checkpoints: number;
  readonly header: ArchiveHeader;
  /** Of the key that the signatures were compared with. */
  readonly fingerprint: string;
  /** It came from the file itself. */
  readonly ownKey: boolean;
}

/**
 * Reads an NDJSON export and names the first entry that is not as it was written. No server is asked; constant memory.
 * @param keyFile the public key in PEM; without it the one in the export counts, which proves less
 * @throws NoArchiveError, NoKeyError; errors of the file system as they are
 */
export async function verifyFile(path: string, keyFile: string | null): Promise<FileVerdict> {
  const sha256 = createHash("sha256");
  const lines = linesOf(createReadStream(path));
  const first = await lines.next();
  const header = first.done ? null : parseLine(first.value.toString());
  if (first.done || header?.type !== "header") throw new NoArchiveError(path);
  sha256.update(first.value);
  const key =
    keyFile === null ? keyOf(header.public_key, path) : keyOf(await readFile(keyFile, "utf8"), keyFile);
  const start = pointOf(header.start);
  const anchor = anchorOf(header.anchor);
  const verifier = createChainVerifier({
    start,
    firstNumber: start.sequence === anchor.sequence ? anchor.number : null,
    key,
  });
  let checked = 0;
  let checkpoints = 0;
  let at = 1;

  const lineFault = (line: ArchiveLine | null, bytes: Buffer): Broken | null => {
    if (!line && bytes.at(-1) !== 10 && bytes.length <= MAX_LINE_BYTES) {
      return truncated(verifier.last.sequence + 1, `the file stops in the middle of line ${at}`);
    }
    if (!line || line.type === "header" || line.type === "end") {
      return changed(verifier.last.sequence + 1, `Line ${at} is not as the server wrote it.`);
    }
    if (line.type === "checkpoint") {
      checkpoints++;
      return verifier.checkpoint(checkpointOf(line));
    }
    if (line.type === "entry") checked++;
    if (!header.chain) return null;
    const { sequence } = line;
    const hash = Buffer.from(line.hash, "hex");
    const timestamp = new Date(line.timestamp);
    return line.type === "link"
      ? verifier.link({ sequence, id: "", hash, timestamp, digest: Buffer.from(line.digest, "hex") })
      : verifier.link({ sequence, id: line.id, hash, timestamp, digest: digestOf(entryOf(line)) });
  };

  const find = async (): Promise<Broken | null> => {
    for await (const bytes of lines) {
      at++;
      const line = parseLine(bytes.toString());
      if (line?.type !== "end") {
        const broken = lineFault(line, bytes);
        if (broken) return broken;
        sha256.update(bytes);
        continue;
      }
      const more = await lines.next();
      if (!more.done) return changed(0, `Line ${at + 1} stands behind the end of the export.`);
      return endFault(line, { key, sha256: sha256.digest("hex"), checked, next: verifier.last.sequence + 1 });
    }
    return truncated(verifier.last.sequence + 1, "the file stops before the end of the export");
  };

  const broken = await find();
  const { sequence } = verifier.last;
  const any = sequence > start.sequence;
  return {
    broken,
    checked,
    first: any ? start.sequence + 1 : 0,
    last: any ? sequence : 0,
    checkpoints,
    header,
    fingerprint: fingerprintOf(key),
    ownKey: keyFile === null,
  };
}

function endFault(
  end: ArchiveEnd,
  found: { key: KeyObject; sha256: string; checked: number; next: number },
): Broken | null {
  if (!verify(null, endStatement(end), found.key, Buffer.from(end.signature, "base64"))) {
    return changed(
      0,
      "The signature of the export does not fit: its end was changed, or it was signed with another key.",
    );
  }
  if (found.checked < end.entries) {
    return truncated(found.next, `the export held ${end.entries} entries, and ${found.checked} are there`);
  }
  if (found.sha256 === end.sha256) return null;
  return changed(0, "The file is not as the server wrote it; which of its lines was changed cannot be told.");
}

const changed = (sequence: number, message: string): Broken => ({
  fault: "CHANGED",
  sequence,
  id: "",
  message,
});

function keyOf(pem: string, source: string): KeyObject {
  try {
    const key = createPublicKey(pem);
    if (key.asymmetricKeyType === "ed25519") return key;
  } catch {
    // It is no key at all.
  }
  throw new NoKeyError(source);
}

/** The lines of a stream with their line ends; one that is too long comes in pieces, which no line is. */
async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of stream) {
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      const piece = chunk.subarray(from, end + 1);
      yield rest.length > 0 ? Buffer.concat([rest, piece]) : piece;
      rest = Buffer.alloc(0);
      from = end + 1;
    }
    rest = Buffer.concat([rest, chunk.subarray(from)]);
    if (rest.length <= MAX_LINE_BYTES) continue;
    yield rest;
    rest = Buffer.alloc(0);
  }
  if (rest.length > 0) yield rest;
}
