/** One record of a PowerPoint file; containers hold further ones. */
export interface PptRecord {
  type: number;
  instance: number;
  isContainer: boolean;
  data: Buffer;
}

/** The records that follow each other in `bytes`, until its end or until they make no sense. */
export function* records(bytes: Buffer): Generator<PptRecord> {
  let at = 0;
  while (at + 8 <= bytes.length) {
    const head = bytes.readUInt16LE(at);
    const length = bytes.readUInt32LE(at + 4);
    const end = Math.min(bytes.length, at + 8 + length);
    yield {
      type: bytes.readUInt16LE(at + 2),
      instance: head >> 4,
      isContainer: (head & 0x0f) === 0x0f,
      data: bytes.subarray(at + 8, end),
    };
    at = end;
  }
}

/** The record that begins at this place of the stream. */
export function recordAt(stream: Buffer, at: number): PptRecord | undefined {
  const [found] = at + 8 <= stream.length ? records(stream.subarray(at)) : [];
  return found;
}

/** The first record of this type directly inside. */
export function findRecord(container: PptRecord | undefined, type: number): PptRecord | undefined {
  if (container === undefined) return undefined;
  for (const record of records(container.data)) if (record.type === type) return record;
  return undefined;
}

export const TYPE = {
  document: 1000,
  slide: 1006,
  slideAtom: 1007,
  notes: 1008,
  slidePersist: 1011,
  drawing: 1036,
  showInfo: 1017,
  outlineText: 3998,
  textHeader: 3999,
  textChars: 4000,
  textStyle: 4001,
  textBytes: 4008,
  slideList: 4080,
  userEdit: 4085,
  interactiveInfo: 4082,
  hyperlinkList: 1033,
  hyperlink: 4055,
  hyperlinkAtom: 4051,
  string: 4026,
  persistDirectory: 6002,
  group: 0xf003,
  shape: 0xf004,
  options: 0xf00b,
  moreOptions: 0xf122,
  clientAnchor: 0xf010,
  childAnchor: 0xf00f,
  textbox: 0xf00d,
} as const;
