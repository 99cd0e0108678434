import { Environment } from "@marcbachmann/cel-js";
import { RE2JS } from "re2js";
import { resultMetadata } from "./host/result-metadata.ts";
import { StageFailure, type WorkingDocument } from "./stage.ts";

/**
 * What an expression may hold: these bound the time that reading and checking one takes. How long evaluating it takes
 * is for whoever evaluates to bound; it is done in a document process, which can be killed.
 */
const LIMITS = {
  maxAstNodes: 500,
  maxDepth: 40,
  maxListElements: 200,
  maxMapEntries: 100,
  maxCallArguments: 16,
};

/** Stands in for CEL's `matches`, which the library gives to the engine's own expressions: those may take time without end. */
const MATCHES = "matchesLinear";

const environment = new Environment({ limits: LIMITS })
  .registerVariable({
    name: "document",
    schema: {
      filename: "string",
      media_type: "string",
      declared_media_type: "string",
      size_bytes: "int",
      sha256: "string",
    },
  })
  .registerVariable("metadata", "map<string, dyn>")
  .registerFunction(`string.${MATCHES}(string): bool`, (text: string, pattern: string) =>
    RE2JS.compile(pattern).matcher(text).find(),
  );

interface CelFault {
  readonly summary?: string;
  readonly message: string;
  readonly range?: { readonly start: number; readonly end: number };
}

/**
 * Why `expression` cannot decide over a stage, with the place in it: a fault of its syntax or of its types, too large,
 * or neither true nor false. Null when nothing is wrong with it. What is inside `metadata` is known only when it is evaluated.
 */
export function conditionFault(expression: string): string | null {
  const { valid, type, error } = environment.check(expression);
  if (!valid) return sentence(expression, error as CelFault);
  if (type === "bool" || type === "dyn") return null;
  return `Must be true or false, and this is of type ${String(type).replace("$", "")}.`;
}

/**
 * Whether the stage with this condition is to run on the document as it is now.
 * @throws StageFailure CONDITION_FAILED when it cannot be told
 */
export function evaluateCondition(expression: string, document: WorkingDocument): boolean {
  const { source } = document;
  let value: unknown;
  try {
    const evaluate = environment.parse(expression);
    makeLinear(evaluate.ast);
    value = evaluate({
      document: {
        filename: source.filename,
        media_type: document.mediaType ?? source.declaredMediaType,
        declared_media_type: source.declaredMediaType,
        size_bytes: BigInt(source.sizeBytes),
        sha256: source.sha256,
      },
      metadata: resultMetadata(document),
    });
  } catch (error) {
    throw conditionFailure(sentence(expression, error as CelFault));
  }
  if (typeof value === "boolean") return value;
  throw conditionFailure("It is neither true nor false.");
}

/** Has every `matches` in it done in linear time; everything keeps its place in the expression. */
function makeLinear(node: unknown): void {
  if (node === null || typeof node !== "object") return;
  if (Array.isArray(node)) {
    for (const inner of node) makeLinear(inner);
    return;
  }
  const { op, args } = node as { op?: string; args?: unknown };
  if (op === "rcall" && Array.isArray(args) && args[0] === "matches") args[0] = MATCHES;
  makeLinear(args);
}

/** The condition of a stage could not be told; trying again would not change that. */
export function conditionFailure(why: string): StageFailure {
  return new StageFailure(
    "CONDITION_FAILED",
    `The \`when\` of the stage could not be evaluated: ${why}`,
    false,
  );
}

function sentence(expression: string, error: CelFault): string {
  const { summary = error.message, range } = error;
  const said = summary.replaceAll("$document", "document").replace(/[.\s]+$/, "");
  if (!range) return `${said}.`;
  const before = expression.slice(0, range.start).split("\n");
  const line = before.length > 1 ? `line ${before.length}, ` : "";
  return `${said} (at ${line}character ${(before.at(-1) ?? "").length + 1}).`;
}
