import { existsSync, readFileSync } from "node:fs";
import { crc32, deflateSync } from "node:zlib";
import { zipOf } from "../../unit/extract/zip-fixtures.ts";
import { type Attack, ownOf, type Tried } from "../attack.ts";
import type { Target } from "../target.ts";
import { bearer, call } from "../wire.ts";
import { endOf } from "../work.ts";

const MIB = 1024 * 1024;
const fixture = (name: string): Buffer => readFileSync(new URL(`../../fixtures/${name}`, import.meta.url));
const ENDED = /^(COMPLETED|DOCUMENT_[A-Z_]+|LIMIT_EXCEEDED|UNSUPPORTED_MEDIA_TYPE)$/;

async function read(
  target: Target,
  what: string,
  filename: string,
  data: Uint8Array,
  wanted = ENDED,
): Promise<Tried> {
  const { id } = await target.alice.client.documents.upload({ data, filename });
  const came = await endOf(target.alice, { source: { case: "documentId", value: id } });
  return { what, came, held: wanted.test(came) };
}

/** A PNG whose head says 60,000 × 60,000 points. */
function hugePng(): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    check.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, check]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(60_000, 0);
  head.writeUInt32BE(60_000, 4);
  head.set([8, 6, 0, 0, 0], 8);
  const pixels = chunk("IDAT", deflateSync(Buffer.alloc(MIB)));
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", head),
    pixels,
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function laughs(): Buffer {
  const entities = Array.from(
    { length: 30 },
    (_, i) => `<!ENTITY l${i} "${(i === 0 ? "ha" : `&l${i - 1};`).repeat(10)}">`,
  );
  return Buffer.from(`<?xml version="1.0"?><!DOCTYPE r [${entities.join("")}]><r>laughs: &l29;</r>`);
}

export const bombs: Attack = {
  name: "Zip / XML / PDF / image bombs",
  async run(target) {
    ownOf(target);
    const zip = zipOf([{ name: "a.txt", data: Buffer.alloc(MIB, "a"), repeat: 2_000 }]);
    const deep = Buffer.from(`<?xml version="1.0"?>${"<a>".repeat(100_000)}`);
    const refused = /^(LIMIT_EXCEEDED|DOCUMENT_TOO_LARGE)$/;
    return await Promise.all([
      read(target, "a zip that unpacks to 2 GB", "bomb.zip", zip, refused),
      read(target, "a zip that holds itself", "droste.zip", fixture("office/droste.zip")),
      read(target, "XML entities of entities", "laughs.xml", laughs()),
      read(target, "XML 100,000 levels deep", "deep.xml", deep),
      read(target, "a PDF that unpacks to 600 MB", "inflating.pdf", fixture("pdf/inflating.pdf")),
      read(target, "a picture of 3.6 billion points", "huge.png", hugePng()),
    ]);
  },
};

export const traversal: Attack = {
  name: "Path traversal, zip-slip",
  async run(target) {
    const { site } = ownOf(target);
    const mark = `slipped-${Date.now()}`;
    const up = "../".repeat(12);
    const slip = zipOf([
      { name: `${up}tmp/${mark}`, data: "slipped" },
      { name: `..\\..\\${mark}`, data: "slipped" },
      { name: `/tmp/${mark}`, data: "slipped" },
    ]);
    const names = [
      `${up}tmp/${mark}`,
      `/tmp/${mark}`,
      `..%2f..%2f${mark}`,
      `a\u0000${mark}`,
      ".",
      "..",
      "CON",
    ];
    const files = await Promise.all(
      [
        `/files/${up}etc/passwd`,
        `/files/${"..%2f".repeat(12)}etc/passwd`,
        "/files/%00",
        "/files//etc/passwd",
        `/files/${"%252e%252e%252f".repeat(6)}etc/passwd`,
        `/${up}etc/passwd`,
        "/.well-known/../server.json",
      ].map(async (path) => {
        const response = await fetch(target.url + path);
        return { path, status: response.status, text: await response.text() };
      }),
    );
    const jobs = await Promise.all(
      names.map((filename) =>
        call(target, "JobsService/CreateJob", { text: "x", filename }, bearer(target.alice.accessToken)),
      ),
    );
    const tries: Tried[] = [
      await read(target, "a zip with names that lead out", "slip.zip", slip),
      {
        what: `${names.length} names of files that lead out`,
        came: [...new Set(jobs.map(({ status }) => status))].join(", "),
        held: jobs.every(({ status }) => status < 500),
      },
      {
        what: `${files.length} paths of links that lead out`,
        came: [...new Set(files.map(({ status }) => status))].join(", "),
        held: files.every(({ status, text }) => status >= 400 && status < 500 && !text.includes("root:")),
      },
    ];
    const found = [`/tmp/${mark}`, `${site.folder}/${mark}`, `${site.dataDir}/${mark}`].filter((path) =>
      existsSync(path),
    );
    return [
      ...tries,
      { what: "files that were written outside", came: String(found.length), held: found.length === 0 },
    ];
  },
};
