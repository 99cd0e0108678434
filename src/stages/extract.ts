import { z } from "zod";
import { installedLanguages, notInstalled } from "../extract/ocr/languages.ts";
import { stageOptions } from "./options.ts";
import { type Stage, StageFailure } from "./stage.ts";

const MAX_PAGES = 1_000_000;

const Options = z.strictObject({
  /** When pages are read by optical character recognition. */
  ocr: z.enum(["auto", "never", "always"]).default("auto"),
  /** Languages for recognition, ISO 639-3, of those that are installed; empty = English. */
  languages: z
    .array(z.enum(installedLanguages(), { error: ({ input }) => notInstalled(String(input)) }))
    .max(10)
    .default([]),
  /** Pages to read at most; 0 = the server's limit, which also caps it. */
  max_pages: z.number().int().min(0).max(MAX_PAGES).default(0),
  include_tables: z.boolean().default(true),
  include_headers_footers: z.boolean().default(false),
  /** HTML: only the main content, without navigation and boilerplate. */
  main_content_only: z.boolean().default(false),
  /** For encrypted documents; the password of the job goes before it. */
  password: z.string().max(1_024).optional(),
});

/** Turns the document into blocks, with what it says about itself and what was seen of its pages. */
export const extractStage: Stage<z.output<typeof Options>> = {
  type: "extract",
  version: 2,
  description:
    "Turns the document into text and structure: headings, paragraphs, lists, tables, code, images.",
  ...stageOptions(Options, { ocr: "OCR_MODE_" }),
  async run(document, context) {
    const { mediaType, encoding, source } = document;
    if (mediaType === undefined) {
      throw new StageFailure(
        "STAGE_FAILED",
        "Stage extract needs a media type: put detect before it.",
        false,
      );
    }
    const { extractorFor } = await import("../extract/registry.ts");
    const extractor = await extractorFor(mediaType);
    const { options, limits, signal, sourcePath, progress } = context;
    const password = context.password || options.password;
    const extracted = await extractor.extract({
      path: sourcePath,
      size: source.sizeBytes,
      mediaType,
      filename: source.filename,
      ...(encoding === undefined ? {} : { encoding }),
      options: {
        maxPages: options.max_pages,
        includeTables: options.include_tables,
        includeHeadersFooters: options.include_headers_footers,
        mainContentOnly: options.main_content_only,
        ocr: options.ocr,
        languages: options.languages,
        ...(password ? { password } : {}),
      },
      limits,
      signal,
      progress: (done, total, place) => progress(total > 0 ? done / total : 0, place),
    });
    return {
      blocks: extracted.blocks,
      properties: { ...document.properties, ...extracted.properties },
      ...(extracted.pages === undefined ? {} : { pages: extracted.pages }),
      ...(extracted.children === undefined ? {} : { children: extracted.children }),
      warnings: [...document.warnings, ...extracted.warnings],
    };
  },
};
