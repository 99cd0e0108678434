import type { Format } from "@sluice/sdk";
import { InvalidArgumentError, Option } from "commander";

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

/** The id of a job, checked before any call: a name or a file is not one. */
export function jobId(text: string): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) {
    throw new InvalidArgumentError(`${text} is no job id; \`sluice jobs list\` shows them.`);
  }
  return text.toLowerCase();
}

/** The ids of several jobs. */
export function jobIds(text: string, before: readonly string[] = []): string[] {
  return [...before, jobId(text)];
}
