import { once } from "node:events";
import { StringDecoder } from "node:string_decoder";
import type { Output } from "./context.ts";
import { cleanText } from "./text.ts";

/** Writes and waits while the reader is slower than we are. */
export async function write(output: Output, data: string | Uint8Array): Promise<void> {
  if (!output.write(data)) await once(output, "drain");
}

/** Copies a document's content. On a terminal without the characters that would steer it. */
export async function copy(content: AsyncIterable<Uint8Array>, output: Output): Promise<void> {
  if (!output.isTTY) {
    for await (const chunk of content) await write(output, chunk);
    return;
  }
  const decoder = new StringDecoder("utf8");
  let last = "";
  // Escape sequences must not hide in the seam of two chunks, so whole lines are cleaned.
  let rest = "";
  for await (const chunk of content) {
    rest += decoder.write(Buffer.from(chunk));
    const end = rest.lastIndexOf("\n") + 1;
    if (end === 0 && rest.length < 1_000_000) continue;
    const ready = cleanText(rest.slice(0, end || undefined));
    rest = end === 0 ? "" : rest.slice(end);
    last = ready.at(-1) ?? last;
    await write(output, ready);
  }
  const tail = cleanText(rest + decoder.end());
  last = tail.at(-1) ?? last;
  await write(output, tail);
  if (last && last !== "\n") await write(output, "\n");
}

/** One JSON value on a line of its own. */
export async function writeJson(output: Output, value: unknown): Promise<void> {
  await write(output, `${JSON.stringify(value)}\n`);
}
