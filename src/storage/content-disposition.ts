const MAX_LENGTH = 200;

/**
 * `attachment` with a file name for every client: an ASCII `filename` and, where that loses something, the exact
 * name as `filename*` (RFC 6266, RFC 8187). Line ends and other control characters never get through.
 */
export function attachment(filename: string | null): string {
  const points = [...(filename ?? "").toWellFormed().replace(/[\p{Cc}\u2028\u2029]/gu, "")];
  const name = points.slice(0, MAX_LENGTH).join("");
  if (name === "") return "attachment";
  const ascii = name.replace(/[^\x20-\x7e]|["\\%/]/g, "_");
  if (ascii === name) return `attachment; filename="${ascii}"`;
  const exact = encodeURIComponent(name).replace(
    /['()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${ascii}"; filename*=UTF-8''${exact}`;
}
