import { type FileHandle, open } from "node:fs/promises";
import { MEDIA, typesByName } from "./media-types.ts";
import { openZip, type ZipArchive } from "./zip.ts";

const ZIP_LIMITS = { maxInflatedBytes: 4 * 1024 * 1024, maxInflationRatio: 10_000, maxMembers: 20_000 };

/** What a ZIP file is by its members; plain `application/zip` if its directory cannot be read. */
export async function detectZip(path: string): Promise<string> {
  let archive: ZipArchive | undefined;
  try {
    archive = await openZip(path, ZIP_LIMITS);
    return (await ooxmlType(archive)) ?? (await declaredType(archive)) ?? MEDIA.zip;
  } catch {
    return MEDIA.zip;
  } finally {
    archive?.close();
  }
}

const MAIN_PARTS: readonly [marker: string, mediaType: string][] = [
  ["ms-word.document.macroenabled", MEDIA.docm],
  ["ms-word.template.macroenabled", MEDIA.docm],
  ["wordprocessingml.document.main", MEDIA.docx],
  ["wordprocessingml.template.main", MEDIA.docx],
  ["ms-excel.sheet.binary.macroenabled.main", MEDIA.xlsb],
  ["ms-excel.sheet.macroenabled", MEDIA.xlsm],
  ["ms-excel.template.macroenabled", MEDIA.xlsm],
  ["spreadsheetml.sheet.main", MEDIA.xlsx],
  ["spreadsheetml.template.main", MEDIA.xlsx],
  ["ms-powerpoint.presentation.macroenabled", MEDIA.pptm],
  ["presentationml.slideshow.main", MEDIA.ppsx],
  ["presentationml.presentation.main", MEDIA.pptx],
  ["presentationml.template.main", MEDIA.pptx],
];

async function ooxmlType(archive: ZipArchive): Promise<string | undefined> {
  const types = archive.find("[Content_Types].xml");
  if (!types) return undefined;
  const text = (await archive.readAll(types, 2 * 1024 * 1024)).toString("utf8").toLowerCase();
  const declared = MAIN_PARTS.find(([marker]) => text.includes(marker))?.[1];
  if (declared) return declared;
  if (archive.find("word/document.xml")) return MEDIA.docx;
  if (archive.find("xl/workbook.xml")) return MEDIA.xlsx;
  return archive.find("ppt/presentation.xml") ? MEDIA.pptx : undefined;
}

/** ODF and EPUB say what they are in a member of their own. */
async function declaredType(archive: ZipArchive): Promise<string | undefined> {
  const member = archive.find("mimetype");
  if (member) {
    const name = (await archive.readAll(member, 1024)).toString("latin1").trim();
    if (/^application\/(epub\+zip|vnd\.oasis\.opendocument\.[\w-]{1,60})$/.test(name)) return name;
  }
  return archive.find("META-INF/container.xml") ? MEDIA.epub : undefined;
}

/** What a compound file (the container of old Office files and mails) is by the names of its streams. */
export async function detectCompound(path: string, filename: string): Promise<string> {
  const names = await compoundNames(path).catch(() => new Set<string>());
  const has = (name: string) => names.has(name.toLowerCase());
  if (has("EncryptedPackage")) {
    return typesByName(filename).includes(MEDIA.encryptedOoxml) || has("EncryptionInfo")
      ? MEDIA.encryptedOoxml
      : MEDIA.cfb;
  }
  if (has("__properties_version1.0")) return MEDIA.msg;
  if (has("WordDocument")) return MEDIA.doc;
  if (has("Workbook") || has("Book")) return MEDIA.xls;
  return has("PowerPoint Document") ? MEDIA.ppt : MEDIA.cfb;
}

const MAX_DIRECTORY_SECTORS = 256;

async function compoundNames(path: string): Promise<Set<string>> {
  const file = await open(path, "r");
  try {
    const header = await readAt(file, 0, 512);
    const shift = header.readUInt16LE(30);
    if (shift !== 9 && shift !== 12) return new Set();
    const sector = (index: number) => readAt(file, (index + 1) * 2 ** shift, 2 ** shift);
    const names = new Set<string>();
    const perTable = 2 ** shift / 4;
    let next = header.readUInt32LE(48);
    for (let i = 0; i < MAX_DIRECTORY_SECTORS && next < 0xfffffffa; i++) {
      addNames(await sector(next), names);
      const table = Math.floor(next / perTable);
      // Tables beyond the header's 109 are only needed in files of over 7 MB; the root's streams come first.
      if (table >= 109) break;
      next = (await sector(header.readUInt32LE(76 + table * 4))).readUInt32LE((next % perTable) * 4);
    }
    return names;
  } finally {
    await file.close();
  }
}

function addNames(directory: Buffer, names: Set<string>): void {
  for (let at = 0; at + 128 <= directory.length; at += 128) {
    const length = Math.min(64, directory.readUInt16LE(at + 64));
    if (length > 2) names.add(directory.toString("utf16le", at, at + length - 2).toLowerCase());
  }
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, position);
  if (bytesRead < length) throw new RangeError("The compound file is cut off.");
  return buffer;
}
