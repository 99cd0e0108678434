import type { Extractor } from "../extractor.ts";
import { outputBudget } from "../flow.ts";
import { MEDIA } from "../media-types.ts";
import type { Block } from "../model.ts";
import { readText } from "../read-text.ts";
import { textBlocks } from "./text-blocks.ts";
import { cueParagraphs } from "./text-cues.ts";

/** Plain text in any encoding, and subtitles, whose cues become paragraphs. */
export const extractor: Extractor = {
  name: "text",
  mediaTypes: [MEDIA.text, MEDIA.vtt, MEDIA.srt],
  async extract(input) {
    const { text, encoding } = await readText(input);
    outputBudget(input.limits.maxOutputCharacters).spend(text.length);
    const cues = input.mediaType === MEDIA.vtt || input.mediaType === MEDIA.srt;
    const blocks: Block[] = cues ? cueParagraphs(text) : textBlocks(text);
    return { blocks, properties: { extra: { encoding } }, warnings: [] };
  },
};
