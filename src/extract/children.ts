import type { ChildResult } from "./extractor.ts";
import type { Block, ChildDocument, ExtractedDocument, Warning } from "./model.ts";

const MAX_WARNINGS = 200;

/**
 * The parent with its children: the text of each below a heading with its name, their facts in a list, those
 * of their own children behind them.
 */
export function withChildren(parent: ExtractedDocument, results: readonly ChildResult[]): ExtractedDocument {
  if (results.length === 0) return parent;
  const blocks = [...parent.blocks];
  const children: ChildDocument[] = [...(parent.children ?? [])];
  const warnings = [...parent.warnings];
  const warn = (warning: Warning) => {
    if (warnings.length < MAX_WARNINGS) warnings.push(warning);
  };
  for (const { facts, extracted } of results) {
    const placed = placedBlocks(extracted?.blocks ?? []);
    children.push(extracted === undefined ? facts : { ...facts, blockCount: placed.length });
    if (facts.status === "FAILED") {
      warn({ code: "CHILD_UNREAD", message: `${facts.name || "A document inside"}: ${facts.skipped ?? ""}` });
    }
    if (extracted === undefined) continue;
    if (placed.length > 0) {
      blocks.push({
        type: "heading",
        level: 1,
        text: facts.name || extracted.properties.title || "Untitled",
      });
      for (const block of placed) blocks.push(block);
    }
    for (const { code, message } of extracted.warnings) warn({ code, message: `${facts.name}: ${message}` });
    for (const inner of extracted.children ?? []) {
      children.push({ ...inner, name: `${facts.name}/${inner.name}` });
    }
  }
  return { ...parent, blocks, children, warnings };
}

/** A child's pages are not the parent's; its headings stand below the one with its name. */
function placedBlocks(blocks: readonly Block[]): Block[] {
  const placed: Block[] = [];
  for (const block of blocks) {
    if (block.type === "page_break") continue;
    const { page: _page, ...rest } = block;
    placed.push(rest.type === "heading" ? { ...rest, level: Math.min(6, rest.level + 1) } : (rest as Block));
  }
  return placed;
}
