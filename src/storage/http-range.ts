/** The answer to a Range header: the whole, one part `[start, end)`, or none that could be served. */
export type RangeAnswer = { readonly start: number; readonly end: number } | "whole" | "unsatisfiable";

/**
 * Reads a Range header against a body of `size` bytes (RFC 9110, 14.2). Several ranges, other units and headers
 * that are not well formed are answered with the whole, as the RFC allows.
 */
export function parseRange(header: string | undefined, size: number): RangeAnswer {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? "");
  if (!match) return "whole";
  const [, first = "", last = ""] = match;
  if (first === "" && last === "") return "whole";
  if (first === "") {
    const start = Math.max(0, size - Number(last));
    return Number(last) === 0 || size === 0 ? "unsatisfiable" : { start, end: size };
  }
  const start = Number(first);
  if (last !== "" && Number(last) < start) return "whole";
  if (start >= size) return "unsatisfiable";
  return { start, end: last === "" ? size : Math.min(size, Number(last) + 1) };
}
