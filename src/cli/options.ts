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

/** Reads the id of a job, before any call: a name or a file is not one. */
export function jobId(programName: string): (text: string) => string {
  return (text) => {
    if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) {
      throw new CliError(
        `${text || "An empty word"} is no job id; \`${programName} jobs list\` shows them.`,
        2,
      );
    }
    return text.toLowerCase();
  };
}

/** Reads the ids of several jobs. */
export function jobIds(programName: string): (text: string, before?: readonly string[]) => string[] {
  const read = jobId(programName);
  return (text, before = []) => [...before, read(text)];
}
