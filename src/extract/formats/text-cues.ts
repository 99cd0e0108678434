import type { Block } from "../model.ts";

/** WebVTT and SubRip: the text of each cue, without times, names of cues and styling. */
export function cueParagraphs(text: string): Block[] {
  const blocks: Block[] = [];
  for (const part of text.split(/\n[^\S\n]*(?:\n[^\S\n]*)+/)) {
    const lines = part.split("\n");
    const time = lines.findIndex((line) => /^\s*(?:\d+:)?\d\d:\d\d[.,]\d{3}\s+-->/.test(line));
    if (time < 0) continue;
    const spoken = lines
      .slice(time + 1)
      .map(cueText)
      .filter((line) => line !== "");
    if (spoken.length > 0) blocks.push({ type: "paragraph", text: spoken.join("\n") });
  }
  return blocks;
}

function cueText(line: string): string {
  const bare = line.replace(/<\/?[a-zA-Z\d.:][^<>]*>|\{\\[^{}]*\}/g, "");
  const entities: Readonly<Record<string, string>> = {
    amp: "&",
    lt: "<",
    gt: ">",
    nbsp: " ",
    lrm: "",
    rlm: "",
  };
  return bare.replace(/&(amp|lt|gt|nbsp|lrm|rlm);/g, (_, name: string) => entities[name] ?? "").trim();
}
