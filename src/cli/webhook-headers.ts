import { CliError } from "./context.ts";
import { fileFailure, readStart } from "./files.ts";

/** More than the headers of a webhook can hold. */
const MAX_BYTES = 64 * 1024;

/**
 * Headers from `Name: value`, or from the lines of a file where `@FILE` stands.
 * @throws CliError with exit code 2; it never shows a value
 */
export async function readHeaders(given: readonly string[]): Promise<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const word of given) {
    const lines = word.startsWith("@") ? await linesOf(word.slice(1)) : [word];
    for (const line of lines) {
      const [, name, value] = /^([A-Za-z0-9-]+):\s*(.*?)\s*$/.exec(line) ?? [];
      if (!name || !value) throw new CliError("A header must be written as 'Name: value', or as @FILE.", 2);
      headers[name] = value;
    }
  }
  return headers;
}

async function linesOf(file: string): Promise<string[]> {
  const text = await readStart(file, MAX_BYTES).catch((error: unknown) => {
    throw new CliError(`${file}: ${fileFailure(error)}`, 2);
  });
  return text.split(/\r?\n/).filter((line) => line.trim() !== "");
}
