import { z } from "zod";
import type { Block, ChildDocument, Json } from "../extract/model.ts";
import { renderText } from "../extract/render.ts";
import { stageOptions } from "./options.ts";
import { redactBlocks } from "./redact/blocks.ts";
import { moveChunks } from "./redact/chunks.ts";
import { createFinder, createPatternFinder } from "./redact/finder.ts";
import type { Kind } from "./redact/match.ts";
import { type Counts, createRedactor, type Redactor } from "./redact/redactor.ts";
import { redactFields } from "./redact/values.ts";
import type { Stage, WorkingDocument } from "./stage.ts";

const KINDS = ["email", "phone", "card", "iban"] as const;
const BLOCKS_PER_PROGRESS = 500;

const Options = z.strictObject({
  kinds: z
    .array(z.enum(KINDS))
    .max(16)
    .default([])
    .describe("What to look for; empty = all kinds, also where there are patterns."),
  patterns: z
    .array(z.string().min(1).max(500))
    .max(50)
    .default([])
    .describe("Own patterns in RE2 syntax, looked for beside the kinds."),
  /** What is put in its place. */
  replacement: z
    .string()
    .max(100)
    // Space moves what stands around it, and a reader could not tell that something was taken out.
    .regex(/^$|\S/, "must be empty, or hold more than space")
    .default("[redacted]"),
});

/**
 * Takes personal data out of everything that a result shows: text, Markdown, structure, chunks, properties, facts, names
 * and warnings. `facts.redactions` counts by kind what was replaced in the text, in links, properties and names; what was
 * derived from these is not counted again. Doing it twice changes nothing more.
 */
export const redactStage: Stage<z.output<typeof Options>> = {
  type: "redact",
  version: 1,
  description: "Replaces e-mail addresses, phone numbers, card numbers, IBANs and patterns of your own.",
  ...stageOptions(Options, { kinds: "REDACT_KIND_" }),
  async run(document, { options, progress }) {
    const { kinds, patterns, replacement } = options;
    const wanted: readonly Kind[] = kinds.length === 0 ? KINDS : kinds;
    const counted: readonly Kind[] = patterns.length === 0 ? wanted : [...wanted, "pattern"];
    let share = 0;
    const alive = (): void => progress(share);
    const find = createFinder(new Set(wanted), alive);
    const findPatterns = createPatternFinder(patterns, alive);
    const redactor = createRedactor({ find, findPatterns, replacement });
    /** For what is derived. */
    const uncounted = createRedactor({ find, findPatterns, replacement });

    const before = document.blocks ?? [];
    const blocks = redactBlocks(before, redactor, (index) => {
      share = 0.8 * (index / before.length);
      if (index % BLOCKS_PER_PROGRESS === 0) alive();
    });
    const chunks = document.chunks && (await moveChunks(document.chunks, before, blocks, uncounted));
    share = 0.9;
    alive();
    const { source, quality } = document;
    const changes: Partial<WorkingDocument> = {
      source: { ...source, filename: redactor.text(source.filename) },
      properties: redactFields(document.properties, redactor),
      warnings: document.warnings.map((warning) => ({
        ...warning,
        message: uncounted.text(warning.message),
      })),
      ...(document.blocks && { blocks }),
      ...(document.children && { children: document.children.map((child) => redactChild(child, redactor)) }),
      ...(quality && { quality: { ...quality, reasons: quality.reasons.map(uncounted.text) } }),
      ...(chunks && { chunks }),
    };
    return { ...changes, facts: redactFacts(document.facts, blocks, uncounted, counted, redactor.counts) };
  },
};

function redactChild(child: ChildDocument, redactor: Redactor): ChildDocument {
  const { name, skipped, blocks } = child;
  return {
    ...child,
    name: redactor.text(name),
    ...(skipped !== undefined && { skipped: redactor.text(skipped) }),
    ...(blocks && { blocks: redactBlocks(blocks, redactor) }),
  };
}

/** Key phrases may be parts of what was found: those that the text does not hold any more are left out. */
function redactFacts(
  { redactions, ...before }: WorkingDocument["facts"],
  blocks: readonly Block[],
  redactor: Redactor,
  kinds: readonly Kind[],
  counts: Counts,
): WorkingDocument["facts"] {
  const facts = redactFields(before, redactor);
  const earlier = (redactions ?? {}) as Counts;
  const sums = { ...earlier };
  for (const kind of kinds) sums[kind] = (earlier[kind] ?? 0) + (counts[kind] ?? 0);
  facts.redactions = sums as { [key: string]: Json };
  if (!Array.isArray(facts.keyPhrases)) return facts;
  const text = renderText(blocks).text.toLowerCase().replace(/\s+/g, " ");
  return {
    ...facts,
    keyPhrases: facts.keyPhrases.filter((phrase) => typeof phrase === "string" && text.includes(phrase)),
  };
}
