import { crc32, inflateRawSync } from "node:zlib";
import { branch, pick, type Random } from "../chaos/random.ts";
import { zipOf } from "../unit/extract/zip-fixtures.ts";
import type { Seed } from "./seeds.ts";

/** A damaged or crafted document, and how it came about. */
export interface Mutant {
  readonly name: string;
  readonly bytes: Buffer;
}

type Mutation = (random: Random, bytes: Buffer, other: Buffer) => Buffer;

const MOST_BYTES = 2 * 1024 * 1024;
const below = (random: Random, end: number): number => Math.floor(random() * Math.max(1, end));

/** Two places in the document, the first not behind the second. */
function span(random: Random, bytes: Buffer): [number, number] {
  const [a, b] = [below(random, bytes.length + 1), below(random, bytes.length + 1)];
  return [Math.min(a, b), Math.max(a, b)];
}

const BYTES: Readonly<Record<string, Mutation>> = {
  truncated: (random, bytes) => bytes.subarray(0, below(random, bytes.length)),
  beheaded: (random, bytes) => bytes.subarray(below(random, Math.min(bytes.length, 4_096))),
  flipped(random, bytes) {
    const copy = Buffer.from(bytes);
    for (let i = 0; i < 1 + below(random, 40); i++) copy[below(random, copy.length)] = below(random, 256);
    return copy;
  },
  bits(random, bytes) {
    const copy = Buffer.from(bytes);
    for (let i = 0; i < 1 + below(random, 8); i++) {
      const at = below(random, copy.length);
      copy[at] = (copy[at] ?? 0) ^ (1 << below(random, 8));
    }
    return copy;
  },
  filled(random, bytes) {
    const [from, to] = span(random, bytes);
    return Buffer.from(bytes).fill(
      pick(random, [0x00, 0xff, 0x20, 0x3c, 0x28]),
      from,
      Math.min(to, from + 400),
    );
  },
  extremes(random, bytes) {
    const copy = Buffer.from(bytes);
    for (let i = 0; i < 1 + below(random, 6) && copy.length >= 4; i++) {
      const value = pick(random, [0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe, copy.length]);
      copy.writeUInt32LE(value, below(random, copy.length - 3));
    }
    return copy;
  },
  spliced(random, bytes, other) {
    return Buffer.concat([
      bytes.subarray(0, below(random, bytes.length)),
      other.subarray(below(random, other.length)),
    ]);
  },
  inserted(random, bytes, other) {
    const at = below(random, bytes.length);
    const [from, to] = span(random, other);
    return Buffer.concat([
      bytes.subarray(0, at),
      other.subarray(from, Math.min(to, from + 2_000)),
      bytes.subarray(at),
    ]);
  },
  repeated(random, bytes) {
    const [from, to] = span(random, bytes);
    const part = bytes.subarray(from, Math.min(to, from + 4_000));
    const times = Math.min(2 + below(random, 500), Math.floor(MOST_BYTES / Math.max(1, part.length)));
    return Buffer.concat([bytes.subarray(0, to), ...Array<Buffer>(times).fill(part), bytes.subarray(to)]);
  },
  removed(random, bytes) {
    const [from, to] = span(random, bytes);
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
  },
};

/** What nests: each wraps the document once more. */
const WRAPS: readonly ((name: string, bytes: Buffer) => { name: string; bytes: Buffer })[] = [
  (name, bytes) => ({ name: "nested.zip", bytes: zipOf([{ name, data: bytes }]) }),
  (name, bytes) => ({
    name: "nested.eml",
    bytes: Buffer.from(
      [
        "From: a@example.org",
        "MIME-Version: 1.0",
        'Content-Type: multipart/mixed; boundary="b"',
        "",
        "--b",
        "Content-Type: application/octet-stream",
        `Content-Disposition: attachment; filename="${name}"`,
        "Content-Transfer-Encoding: base64",
        "",
        bytes.toString("base64").replace(/.{76}/g, "$&\r\n"),
        "--b--",
        "",
      ].join("\r\n"),
    ),
  }),
];

/**
 * The mutant of that number: the same for the same seed. Truncated, overwritten, spliced, repeated; inside the members of
 * a container; or a damaged document within others.
 */
export function mutantOf(seed: number, number: number, seeds: readonly Seed[]): Mutant {
  const random = branch(seed, "mutant", number);
  // Every format in turn, so that those with few documents are not left out.
  const formats = [...new Set(seeds.map(({ format }) => format))].sort();
  const format = formats[number % formats.length];
  const base = pick(
    random,
    seeds.filter((each) => each.format === format),
  );
  const other = pick(random, seeds);
  const mutate = (bytes: Buffer): [string, Buffer] => {
    const [name, mutation] = pick(random, Object.entries(BYTES));
    return [name, mutation(random, bytes, other.bytes).subarray(0, MOST_BYTES)];
  };
  const members = readMembers(base.bytes);
  if (members && random() < 0.6) {
    const chosen = pick(random, members);
    const [how, data] = mutate(chosen.data);
    const all = members.map((member) => (member === chosen ? { name: member.name, data } : member));
    return { name: `${number}-${how}-within-${base.name}`, bytes: zipOf(all) };
  }
  const [how, bytes] = mutate(base.bytes);
  if (random() < 0.9) return { name: `${number}-${how}-${base.name}`, bytes };
  let nested = { name: base.name, bytes };
  for (let depth = 1 + below(random, 12); depth > 0 && nested.bytes.length < MOST_BYTES; depth--)
    nested = pick(random, WRAPS)(nested.name, nested.bytes);
  return { name: `${number}-${how}-${nested.name}`, bytes: nested.bytes };
}

/** The members of a whole ZIP container; null for anything else. */
function readMembers(bytes: Buffer): { name: string; data: Buffer }[] | null {
  const end = bytes.lastIndexOf("PK\u0005\u0006", undefined, "latin1");
  if (end < 0 || bytes.readUInt32LE(0) !== 0x04034b50) return null;
  const members: { name: string; data: Buffer }[] = [];
  let at = bytes.readUInt32LE(end + 16);
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left--) {
    const [method, checksum, packed] = [
      bytes.readUInt16LE(at + 10),
      bytes.readUInt32LE(at + 16),
      bytes.readUInt32LE(at + 20),
    ];
    const [nameLength, extra, comment] = [28, 30, 32].map((field) => bytes.readUInt16LE(at + field));
    const local = bytes.readUInt32LE(at + 42);
    const name = bytes.toString("utf8", at + 46, at + 46 + (nameLength ?? 0));
    const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
    const raw = bytes.subarray(start, start + packed);
    const data = method === 0 ? raw : inflateRawSync(raw);
    if (crc32(data) !== checksum) return null;
    members.push({ name, data });
    at += 46 + (nameLength ?? 0) + (extra ?? 0) + (comment ?? 0);
  }
  return members.length === 0 ? null : members;
}
