const PAGE_BYTES = 65_536;

/**
 * Lowers the maximum in the memory section of a WebAssembly module, so that a document that wants memory without
 * end aborts early. The module must define one memory of its own, with a maximum.
 */
export function capMemory(wasm: Uint8Array, maxBytes: number): Uint8Array {
  const maxPages = Math.floor(maxBytes / PAGE_BYTES);
  let at = 8;
  while (at < wasm.length) {
    const id = wasm[at];
    const [length, start] = leb(wasm, at + 1);
    if (id === 5) {
      const [count, flagsAt] = leb(wasm, start);
      const flags = wasm[flagsAt] ?? 0;
      const [initial, maxAt] = leb(wasm, flagsAt + 1);
      if (count !== 1 || flags !== 1 || initial > maxPages)
        throw new Error("Unexpected memory section in the WebAssembly module");
      const [, end] = leb(wasm, maxAt);
      const width = end - maxAt;
      if (maxPages >= 2 ** (7 * width))
        throw new Error("The memory cap does not fit into the memory section");
      const copy = Uint8Array.from(wasm);
      for (let i = 0; i < width; i += 1) {
        copy[maxAt + i] = ((maxPages >>> (7 * i)) & 0x7f) | (i === width - 1 ? 0 : 0x80);
      }
      return copy;
    }
    at = start + length;
  }
  throw new Error("The WebAssembly module has no memory section");
}

function leb(bytes: Uint8Array, at: number): [value: number, next: number] {
  let value = 0;
  for (let shift = 0, next = at; shift < 35; shift += 7, next += 1) {
    const byte = bytes[next] ?? 0;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return [value, next + 1];
  }
  throw new Error("Malformed number in the WebAssembly module");
}
