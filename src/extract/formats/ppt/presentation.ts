import { type CompoundFile, streamOf } from "../../compound.ts";
import { DocumentFault } from "../../errors.ts";
import { findRecord, type PptRecord, recordAt, records, TYPE } from "./records.ts";
import { type PptText, readTexts } from "./text.ts";

/** A slide as the file holds it. */
export interface PptSlide {
  drawing: PptRecord | undefined;
  /** Texts kept in the list of slides instead of in the shapes; the shapes point to them by number. */
  outline: PptText[];
  notes: PptRecord | undefined;
  isHidden: boolean;
}

const ENCRYPTED_TOKEN = 0xf3d1c4df;
const MAX_EDITS = 10_000;
const MAX_OBJECTS = 1_000_000;
const [SLIDES, NOTES] = [0, 2];

export const broken = (cause?: unknown) =>
  new DocumentFault(
    "DOCUMENT_CORRUPT",
    "The PowerPoint presentation is damaged; open it, save it again and send that.",
    cause,
  );

/**
 * The slides of a presentation in the order of the show.
 * @throws DocumentFault `DOCUMENT_ENCRYPTED`, `DOCUMENT_CORRUPT`
 */
export function readSlides(file: CompoundFile): PptSlide[] {
  const stream = streamOf(file, "PowerPoint Document");
  const user = streamOf(file, "Current User");
  if (stream === undefined) throw broken();
  if (user !== undefined && user.length >= 20 && user.readUInt32LE(12) === ENCRYPTED_TOKEN) {
    throw new DocumentFault(
      "DOCUMENT_ENCRYPTED",
      "The PowerPoint presentation is encrypted with a password; save it without one and send it again.",
    );
  }
  const { places, document } = readPlaces(stream, user);
  const root = document === undefined ? findDocument(stream) : recordAt(stream, document);
  if (root === undefined || root.type !== TYPE.document) throw broken();

  const notesBySlide = new Map<number, PptRecord>();
  for (const { place } of listed(root, NOTES, places)) {
    const notes = recordAt(stream, place);
    const slideId = findRecord(notes, 1009)?.data.readUInt32LE(0);
    if (notes?.type === TYPE.notes && slideId !== undefined) notesBySlide.set(slideId, notes);
  }
  const slides: PptSlide[] = [];
  for (const { place, id, texts } of listed(root, SLIDES, places)) {
    const slide = recordAt(stream, place);
    if (slide?.type !== TYPE.slide) continue;
    const show = findRecord(slide, TYPE.showInfo)?.data;
    slides.push({
      drawing: findRecord(slide, TYPE.drawing),
      outline: readTexts(texts),
      notes: notesBySlide.get(id),
      isHidden: show !== undefined && show.length >= 12 && (show.readUInt16LE(10) & 4) !== 0,
    });
  }
  return slides;
}

/** Where each object lies: every time the file is saved, a table of what was written anew is added. */
function readPlaces(stream: Buffer, user: Buffer | undefined) {
  const places = new Map<number, number>();
  let document: number | undefined;
  let left = MAX_OBJECTS;
  let at = user !== undefined && user.length >= 20 ? user.readUInt32LE(16) : 0;
  for (let i = 0; i < MAX_EDITS && at > 0; i++) {
    const edit = recordAt(stream, at);
    if (edit?.type !== TYPE.userEdit || edit.data.length < 20) break;
    if (i === 0) document = edit.data.readUInt32LE(16);
    const table = recordAt(stream, edit.data.readUInt32LE(12))?.data ?? Buffer.alloc(0);
    for (let from = 0; from + 4 <= table.length && left > 0; ) {
      const head = table.readUInt32LE(from);
      const [first, count] = [head & 0xfffff, head >>> 20];
      from += 4;
      for (let j = 0; j < count && from + 4 <= table.length; j++, from += 4) {
        left -= 1;
        // The newest table comes first.
        if (!places.has(first + j)) places.set(first + j, table.readUInt32LE(from));
      }
    }
    const before = edit.data.readUInt32LE(8);
    // Each table lies before the one that follows it in time.
    if (before >= at) break;
    at = before;
  }
  return { places, document: document === undefined ? undefined : places.get(document) };
}

function findDocument(stream: Buffer): PptRecord | undefined {
  for (const record of records(stream)) if (record.type === TYPE.document) return record;
  return undefined;
}

/** What a list of slides names, each with the records that follow its name. */
function listed(document: PptRecord, kind: number, places: ReadonlyMap<number, number>) {
  const entries: { place: number; id: number; texts: PptRecord[] }[] = [];
  // A slide that is named twice is read once.
  const named = new Set<number>();
  for (const list of records(document.data)) {
    if (list.type !== TYPE.slideList || list.instance !== kind) continue;
    for (const record of records(list.data)) {
      if (record.type !== TYPE.slidePersist) entries.at(-1)?.texts.push(record);
      else if (record.data.length >= 16) {
        const place = places.get(record.data.readUInt32LE(0)) ?? Number.MAX_SAFE_INTEGER;
        if (named.has(place)) continue;
        named.add(place);
        entries.push({ place, id: record.data.readUInt32LE(12), texts: [] });
      }
    }
  }
  return entries;
}
