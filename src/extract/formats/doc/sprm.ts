/** One change of a property: its code and its operand. */
export interface Sprm {
  code: number;
  operand: Buffer;
}

const SIZES = [1, 1, 2, 4, 2, 2, 0, 3];
const DEFINE_TABLE = 0xd608;

/** The changes in a list of them, until its end or until it makes no sense. */
export function* sprms(list: Buffer): Generator<Sprm> {
  let at = 0;
  while (at + 2 < list.length) {
    const code = list.readUInt16LE(at);
    at += 2;
    let size = SIZES[code >> 13] ?? 0;
    if (size === 0) {
      const isLong = code === DEFINE_TABLE && at + 2 <= list.length;
      size = isLong ? list.readUInt16LE(at) - 1 : (list[at] ?? 0);
      at += isLong ? 2 : 1;
    }
    if (size < 0 || at + size > list.length) return;
    yield { code, operand: list.subarray(at, at + size) };
    at += size;
  }
}
