import { z } from "zod";
import type { Block } from "../extract/model.ts";

const page = z.int().min(1).optional();
const inline = { text: z.string(), markdown: z.string().optional() };
const span = z.int().min(1).optional();

/** The blocks of a document as others write them; see `Block`. */
export const blocksSchema: z.ZodType<Block[]> = z.array(
  z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("heading"), level: z.int().min(1).max(6), ...inline, page }),
    z.strictObject({ type: z.literal("paragraph"), ...inline, page }),
    z.strictObject({ type: z.literal("quote"), ...inline, page }),
    z.strictObject({
      type: z.literal("list"),
      ordered: z.boolean(),
      items: z.array(z.strictObject({ level: z.int().min(0), ...inline, marker: z.string().optional() })),
      page,
    }),
    z.strictObject({
      type: z.literal("table"),
      rows: z.array(z.array(z.strictObject({ ...inline, columnSpan: span, rowSpan: span }))),
      headerRows: z.int().min(0),
      caption: z.string().optional(),
      page,
    }),
    z.strictObject({ type: z.literal("code"), text: z.string(), language: z.string().optional(), page }),
    z.strictObject({ type: z.literal("formula"), text: z.string(), page }),
    z.strictObject({ type: z.literal("image"), alt: z.string(), target: z.string().optional(), page }),
    z.strictObject({ type: z.literal("page_break"), page: z.int().min(1) }),
  ]),
) as z.ZodType<Block[]>;
