import { createReadStream } from "node:fs";
import { access, constants, stat } from "node:fs/promises";

/** Why this file cannot be submitted, in words for people; undefined if it can. */
export async function problemOf(path: string): Promise<string | undefined> {
  try {
    const info = await stat(path);
    if (info.isDirectory()) return "it is a folder; name the files in it";
    if (!info.isFile()) return "it is no regular file; pipe its content in, with - in its place";
    await access(path, constants.R_OK);
    return info.size === 0 ? "it is empty" : undefined;
  } catch (error) {
    return fileFailure(error);
  }
}

/** What the system says about a file, in words for people. */
export function fileFailure(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT" || code === "ENOTDIR") return "there is no such file";
  if (code === "EACCES" || code === "EPERM") return "you may not read it";
  if (code === "EISDIR") return "it is a folder";
  return code ? `it cannot be read (${code})` : message;
}

/** True for what the server fetches by itself. */
export function isAddress(path: string): boolean {
  return /^(https?|s3):\/\//i.test(path);
}

/** The beginning of a file or pipe, at most `limit` bytes, as text. */
export async function readStart(path: string, limit: number): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of createReadStream(path, { end: limit - 1 })) parts.push(part as Buffer);
  return Buffer.concat(parts).toString("utf8");
}
