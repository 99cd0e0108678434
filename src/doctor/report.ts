import { cleanText } from "../audit/sanitize.ts";
import { type Finding, type Level, type Mend, type Outcome, type Report, SHOWN_IDS } from "./model.ts";
import { counted } from "./words.ts";

const MARKS: Readonly<Record<Level, string>> = { ok: "ok", info: "info", warn: "warn", fault: "FAULT" };
const MARK_WIDTH = 8;
const NAME_WIDTH = 18;
/** Messages hold what others wrote: reasons, names of hosts, errors. */
const MAX_TEXT = 1_000;

/** The lines for people: what was mended, then what is found, and below each what to do. */
export function textOf(report: Report): string {
  if ("skipped" in report)
    return line("skipped", report.check, `waits for ${report.skipped} to be in order.`);
  const { check, findings, mends } = report;
  const lines = mends.map((mend) => line("mended", check, sentence(mend)));
  const said = mends.length > 0 ? findings.filter(({ level }) => level !== "ok") : findings;
  for (const finding of said) {
    lines.push(line(MARKS[finding.level], check, sentence(finding)));
    if (finding.advice) lines.push(`${" ".repeat(MARK_WIDTH + NAME_WIDTH)}${clean(finding.advice)}`);
  }
  return lines.join("\n");
}

/** The same as JSON, one value a line, with all that programs may want to know. */
export function jsonOf(report: Report): string {
  if ("skipped" in report) {
    return JSON.stringify({ check: report.check, level: "skipped", code: "SKIPPED", needs: report.skipped });
  }
  const { check, findings, mends } = report;
  const values = [
    ...mends.map((mend) => ({ check, level: "mended", ...mend, message: clean(mend.message) })),
    ...findings
      .filter(({ level }) => mends.length === 0 || level !== "ok")
      .map((finding) => ({ check, ...finding, message: clean(finding.message) })),
  ];
  return values.map((value) => JSON.stringify(value)).join("\n");
}

/** The last line. */
export function summaryOf(outcome: Outcome, seconds: number): string {
  const { checks, skipped, warnings, faults, mended } = outcome;
  const made = `${counted(checks - skipped, "check")} in ${seconds.toFixed(1)} s`;
  const parts = [
    faults > 0 ? counted(faults, "fault") : "",
    warnings > 0 ? counted(warnings, "warning") : "",
    mended > 0 ? `${mended} mended` : "",
    skipped > 0 ? `${counted(skipped, "check")} skipped` : "",
  ].filter((part) => part !== "");
  return `${parts.join(", ") || "Nothing is wrong"}; ${made}.`;
}

function line(mark: string, name: string, text: string): string {
  return `${mark.padEnd(MARK_WIDTH)}${name.padEnd(NAME_WIDTH)}${text}`;
}

function sentence({ message, count, ids = [] }: Finding | Mend): string {
  const shown = ids.slice(0, SHOWN_IDS).map(clean);
  const more = (count ?? ids.length) - shown.length;
  if (shown.length === 0) return `${clean(message)}.`;
  const rest = more > 0 ? ` and ${counted(more, "other")}` : "";
  return `${clean(message)}: ${shown.join(", ")}${rest}.`;
}

const clean = (text: string): string => cleanText(text, MAX_TEXT);
