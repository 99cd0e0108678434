import { canonicalText } from "../lib/canonical-json.ts";
import type { LoggedEntry } from "./entries.ts";

const COLUMNS: readonly [name: string, of: (entry: LoggedEntry) => unknown][] = [
  ["sequence", ({ sequence }) => sequence],
  ["id", ({ id }) => id],
  ["timestamp", ({ timestamp }) => timestamp.toISOString()],
  ["user_id", ({ userId }) => userId],
  ["action", ({ action }) => action],
  ["resource_type", ({ resourceType }) => resourceType],
  ["resource_id", ({ resourceId }) => resourceId],
  ["success", ({ success }) => success],
  ["error_message", ({ errorMessage }) => errorMessage],
  ["ip_address", ({ ipAddress }) => ipAddress],
  ["user_agent", ({ userAgent }) => userAgent],
  ["request_id", ({ requestId }) => requestId],
  ["duration_ms", ({ durationMs }) => durationMs],
  ["request_details", ({ requestDetails }) => canonicalText(requestDetails)],
  ["credential", ({ credential }) => credential],
  ["credential_id", ({ credentialId }) => credentialId],
  ["method", ({ method }) => method],
  ["code", ({ code }) => code],
  ["decision", ({ decision }) => decision],
  ["phase", ({ phase }) => phase],
  ["hash", ({ hash }) => hash?.toString("hex")],
];

/** The first line of a CSV export. Lines end with CR LF (RFC 4180). */
export const CSV_HEADER = `${COLUMNS.map(([name]) => name).join(",")}\r\n`;

export function csvLine(entry: LoggedEntry): string {
  return `${COLUMNS.map(([, of]) => csvCell(String(of(entry) ?? ""))).join(",")}\r\n`;
}

/**
 * A cell in quotes. What a spreadsheet would take for a formula gets an apostrophe in front: text that begins with
 * `=`, `+`, `-`, `@`, a tab or a carriage return.
 */
export function csvCell(text: string): string {
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return `"${harmless.replaceAll('"', '""')}"`;
}
