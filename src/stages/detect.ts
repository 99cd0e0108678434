import { open } from "node:fs/promises";
import { z } from "zod";
import { stageOptions } from "./options.ts";
import type { Stage } from "./stage.ts";

const Options = z.strictObject({});

/** Finds media type and encoding from the content; a name or declaration that differs is a warning. */
export const detectStage: Stage<z.output<typeof Options>> = {
  type: "detect",
  version: 1,
  description: "Finds the media type and the encoding from the content, not from the name.",
  ...stageOptions(Options),
  async run(document, { sourcePath }) {
    const { detectMediaType, DETECT_HEAD_BYTES } = await import("../extract/detect.ts");
    const { filename, declaredMediaType, sizeBytes } = document.source;
    const detected = await detectMediaType({
      head: await readHead(sourcePath, DETECT_HEAD_BYTES),
      path: sourcePath,
      size: sizeBytes,
      filename,
      declaredMediaType,
    });
    return {
      mediaType: detected.mediaType,
      ...(detected.encoding === undefined ? {} : { encoding: detected.encoding }),
      warnings: [...document.warnings, ...detected.warnings],
    };
  },
};

async function readHead(path: string, bytes: number): Promise<Uint8Array> {
  const file = await open(path, "r");
  try {
    const head = Buffer.alloc(bytes);
    const { bytesRead } = await file.read(head, 0, bytes, 0);
    return head.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
