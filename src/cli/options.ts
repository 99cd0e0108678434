import type { Format } from "@sluice/sdk";
import { InvalidArgumentError, Option } from "commander";
import { CliError } from "./context.ts";

export const FORMATS: readonly Format[] = ["text", "markdown", "json", "chunks"];
export const EXTENSIONS: Readonly<Record<Format, string>> = {
  text: "txt",
  markdown: "md",
  json: "json",
  chunks: "ndjson",
};

export const outputOption = () =>
  new Option("--output <format>", "format of the result").choices(FORMATS).default("text" satisfies Format);

export const jsonOption = () => new Option("--json", "print JSON, one value on a line");

export function integer(min: number, max: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (!Number.isInteger(number) || number < min || number > max) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    }
    return number;
  };
}

/** Collects `key=value` options. */
export function label(value: string, before: Record<string, string> = {}): Record<string, string> {
  const at = value.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("Write it as key=value.");
  return { ...before, [value.slice(0, at)]: value.slice(at + 1) };
}

/** Reads an id, before any call: a name or a file is not one. `listing` is the command that shows those there are. */
export function idOf(kind: string, listing: string): (text: string) => string {
  return (text) => {
    if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) {
      throw new CliError(`${text || "An empty word"} is no ${kind} id; \`${listing}\` shows them.`, 2);
    }
    return text.toLowerCase();
  };
}

/** Reads the id of a job. */
export const jobId = (programName: string) => idOf("job", `${programName} jobs list`);

/** Reads the ids of several jobs. */
export function jobIds(programName: string): (text: string, before?: readonly string[]) => string[] {
  const read = jobId(programName);
  return (text, before = []) => [...before, read(text)];
}

/** Reads an instant: a day, or a day with a time. */
export function instant(text: string): Date {
  const time = new Date(text);
  // By itself Date reads "5" as a month of 2001.
  if (!/^\d{4}-\d\d-\d\d/.test(text) || Number.isNaN(time.getTime()))
    throw new InvalidArgumentError("Write it as 2026-11-01T12:00:00Z.");
  return time;
}
