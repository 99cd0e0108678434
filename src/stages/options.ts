import { z } from "zod";
import { StageOptionsError } from "./stage.ts";

/** A duration in the JSON form of the contract, as `60s`, read as milliseconds: more than 0, up to `mostMs`. */
export function durationOption({
  mostMs,
  most,
  fallbackMs,
}: {
  mostMs: number;
  most: string;
  fallbackMs: number;
}) {
  return z
    .string()
    .regex(/^\d{1,9}(\.\d{1,9})?s$/, "Write seconds, such as 60s.")
    .transform((text) => Math.round(Number(text.slice(0, -1)) * 1_000))
    .refine((ms) => ms >= 1 && ms <= mostMs, `Give more than 0 s and at most ${most}.`)
    .default(fallbackMs);
}

/** The two views of a stage's options schema: a check for what comes in, and JSON Schema for catalogues. */
export interface OptionsOf<Options> {
  parseOptions(raw: unknown): Options;
  optionsSchema(): { [key: string]: unknown };
}

/**
 * Options from a strict zod schema in the names of the proto. Missing options (undefined or null) are filled
 * with defaults, unknown ones refused. `enums` names the options that hold a value of a proto enum, or a list of them, with its
 * prefix: `CHUNK_STRATEGY_TOKENS`, `TOKENS` and `tokens` are then the same, and `…_UNSPECIFIED` the default.
 */
export function stageOptions<Schema extends z.ZodType>(
  schema: Schema,
  enums: Readonly<Record<string, string>> = {},
): OptionsOf<z.output<Schema>> {
  return {
    parseOptions(raw) {
      const result = schema.safeParse(withoutUnset(raw, enums));
      if (result.success) return result.data;
      throw new StageOptionsError(result.error.issues.flatMap(faultsOf));
    },
    optionsSchema: () => z.toJSONSchema(schema, { io: "input" }) as { [key: string]: unknown },
  };
}

function withoutUnset(raw: unknown, enums: Readonly<Record<string, string>>): unknown {
  if (raw === undefined || raw === null) return {};
  if (typeof raw !== "object" || Array.isArray(raw)) return raw;
  const set: [string, unknown][] = [];
  for (const [key, value] of Object.entries(raw)) {
    const prefix = enums[key];
    const plain = prefix === undefined ? value : withoutPrefix(value, prefix);
    if (plain !== undefined && plain !== null) set.push([key, plain]);
  }
  return Object.fromEntries(set);
}

function withoutPrefix(value: unknown, prefix: string): unknown {
  if (Array.isArray(value)) return value.map((item) => withoutPrefix(item, prefix));
  return typeof value === "string" ? enumValue(value, prefix) : value;
}

function enumValue(value: string, prefix: string): string | undefined {
  const name = value.startsWith(prefix) ? value.slice(prefix.length) : value;
  return name === "UNSPECIFIED" || name === "" ? undefined : name.toLowerCase();
}

function faultsOf(issue: z.core.$ZodIssue): { field: string; description: string }[] {
  const field = issue.path.join(".");
  if (issue.code !== "unrecognized_keys") return [{ field, description: issue.message }];
  const path = field === "" ? "" : `${field}.`;
  return issue.keys.map((key) => ({ field: `${path}${key}`, description: "This stage has no such option." }));
}
