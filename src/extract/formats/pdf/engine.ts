import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { init } from "@embedpdf/pdfium";
import { capMemory } from "../../wasm-memory.ts";

const MAX_HEAP_BYTES = 192 * 1024 * 1024;
/** A heap above this is given back by building a new instance: WebAssembly memory never shrinks. */
const RECYCLE_HEAP_BYTES = 96 * 1024 * 1024;
const SCRATCH_BYTES = 64;
const MAX_STRING_BYTES = 64 * 1024;

type Call = (...args: number[]) => number;

/** The warm PDFium instance: raw functions by their C names, and typed views on its memory. */
export interface Engine {
  /** The exported function of that name; looked up once, called often. */
  fn(name: string): Call;
  /** Memory for small results of a call, aligned to 8 bytes. */
  readonly scratch: number;
  f32(address: number): number;
  f64(address: number): number;
  u32(address: number): number;
  /** Copies bytes in; returns 0 when there is no room. The caller frees. */
  put(bytes: Uint8Array): number;
  /** Copies bytes out. */
  take(address: number, size: number): Uint8Array;
  free(address: number): void;
  loadDocument(address: number, size: number, password: string): number;
  metaText(document: number, key: string): string;
  /** Asks for a size, then for UTF-16 text of that size; "" when there is none or it is over 64 KiB. */
  utf16(read: (buffer: number, size: number) => number): string;
  /** The same for bytes, read as UTF-8. */
  utf8(read: (buffer: number, size: number) => number): string;
  heapBytes(): number;
}

/** True when the heap of this instance stands at its cap: the reason why it aborted. */
export function atCap(engine: Engine): boolean {
  return engine.heapBytes() >= MAX_HEAP_BYTES * 0.75;
}

let warm: Promise<Engine> | undefined;

/** The instance of this process; built at the first call, and anew after `discardEngine`. */
export function getEngine(): Promise<Engine> {
  warm ??= build();
  return warm;
}

/** Forgets the instance. Needed after every abort: an aborted instance answers no further call. */
export function discardEngine(): void {
  warm = undefined;
}

/** Gives a grown heap back. */
export function recycleEngine(engine: Engine): void {
  if (engine.heapBytes() > RECYCLE_HEAP_BYTES) discardEngine();
}

async function build(): Promise<Engine> {
  const path = fileURLToPath(import.meta.resolve("@embedpdf/pdfium/pdfium.wasm"));
  const binary = capMemory(await readFile(path), MAX_HEAP_BYTES);
  const quiet = { print: () => undefined, printErr: () => undefined };
  const module = await init({ wasmBinary: binary as unknown as ArrayBuffer, ...quiet } as Parameters<
    typeof init
  >[0]);
  module.PDFiumExt_Init();

  // The bare exports: the module's own wrappers check and spread arguments at every call.
  const exports = module.pdfium.wasmExports as unknown as {
    memory: WebAssembly.Memory;
    malloc: Call;
    free: Call;
  };
  const functions = module.pdfium.wasmExports as unknown as Record<string, Call | undefined>;
  const { memory } = exports;
  let f32 = new Float32Array(memory.buffer);
  let f64 = new Float64Array(memory.buffer);
  const refresh = () => {
    f32 = new Float32Array(memory.buffer);
    f64 = new Float64Array(memory.buffer);
  };
  const scratch = exports.malloc(SCRATCH_BYTES);
  const text = (
    read: (buffer: number, size: number) => number,
    decode: (bytes: Uint8Array) => string,
  ): string => {
    const size = read(0, 0);
    if (size <= 0 || size > MAX_STRING_BYTES) return "";
    const address = exports.malloc(size);
    if (address === 0) return "";
    try {
      const written = Math.min(read(address, size), size);
      return decode(new Uint8Array(memory.buffer, address, written)).replace(/\0+$/u, "");
    } finally {
      exports.free(address);
    }
  };
  const utf16 = (read: (buffer: number, size: number) => number) =>
    text(read, (bytes) => new TextDecoder("utf-16le").decode(bytes));

  return {
    fn(name) {
      const call = functions[name];
      if (call === undefined) throw new Error(`PDFium has no function ${name}`);
      return call;
    },
    scratch,
    f32(address) {
      // Growing the memory detaches the old view, which then has no length.
      if (f32.length === 0) refresh();
      return f32[address >> 2] ?? 0;
    },
    f64(address) {
      if (f64.length === 0) refresh();
      return f64[address >> 3] ?? 0;
    },
    u32: (address) => new DataView(memory.buffer).getUint32(address, true),
    put(bytes) {
      const address = exports.malloc(bytes.byteLength);
      if (address !== 0) new Uint8Array(memory.buffer, address, bytes.byteLength).set(bytes);
      return address;
    },
    take: (address, size) => new Uint8Array(memory.buffer, address, size).slice(),
    free: (address) => void exports.free(address),
    loadDocument: (address, size, password) => module.FPDF_LoadMemDocument(address, size, password),
    metaText: (document, key) =>
      utf16((address, size) => module.FPDF_GetMetaText(document, key, address, size)),
    utf16,
    utf8: (read) => text(read, (bytes) => new TextDecoder().decode(bytes)),
    heapBytes: () => memory.buffer.byteLength,
  };
}
