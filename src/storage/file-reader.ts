import { open } from "node:fs/promises";

const CHUNK_BYTES = 256 * 1024;

/**
 * Reads the bytes [start, end) as they are consumed; the file is open only meanwhile. Throws `gone()` when the
 * file is away or no longer has the size that it had when the range was worked out.
 */
export async function* readFileRange(
  path: string,
  range: { readonly start: number; readonly end: number; readonly size: number },
  gone: () => Error,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  signal?.throwIfAborted();
  const handle = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    throw error.code === "ENOENT" ? gone() : error;
  });
  try {
    if ((await handle.stat()).size !== range.size) throw gone();
    let position = range.start;
    while (position < range.end) {
      signal?.throwIfAborted();
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, range.end - position));
      const { bytesRead } = await handle.read(chunk, 0, chunk.byteLength, position);
      if (bytesRead === 0) throw gone();
      position += bytesRead;
      yield chunk.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}
