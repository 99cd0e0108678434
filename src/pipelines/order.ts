import type { FieldFault } from "../lib/errors.ts";
import type { StageDraft } from "./model.ts";

/** They read the text that an extract stage, a service or a stage of the operator's has made. */
const NEED_TEXT: ReadonlySet<string> = new Set(["normalize", "enrich", "chunk", "quality", "redact"]);
const MAKE_TEXT: ReadonlySet<string> = new Set(["extract", "http", "custom"]);
/** They would change the text under chunks that were cut, or begin it anew. */
const NOT_AFTER_CHUNK: ReadonlySet<string> = new Set(["detect", "extract", "normalize"]);

/** Faults in the order of the stages: each rule is one that a run would break on, or that would make its result wrong. */
export function orderFaults(stages: readonly Pick<StageDraft, "type" | "name">[]): FieldFault[] {
  const faults: FieldFault[] = [];
  const types = stages.map(({ type }) => type);
  const add = (index: number, description: string): void => {
    faults.push({ field: `config.stages[${index}]`, description });
  };
  types.forEach((type, index) => {
    const before = types.slice(0, index);
    if (type === "fetch" && index > 0) add(index, "fetch must be the first stage, and there is at most one.");
    if (type === "extract" && !before.includes("detect"))
      add(index, "extract must come after detect, which finds the media type.");
    if (type === "extract" && before.includes("extract"))
      add(index, "There is at most one extract stage: another would begin the text anew.");
    if (NEED_TEXT.has(type) && !before.some((earlier) => MAKE_TEXT.has(earlier)))
      add(
        index,
        `${type} works on the text: put extract (or an http or custom stage that makes text) before it.`,
      );
    if (NOT_AFTER_CHUNK.has(type) && before.includes("chunk"))
      add(index, `${type} must come before chunk: the chunks would no longer be slices of the text.`);
  });
  if (stages.length > 0 && types.every((type) => type === "fetch"))
    faults.push({
      field: "config.stages",
      description: "A stage besides fetch is wanted: fetch alone makes no result.",
    });
  return faults;
}
