import { randomBytes } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { access, constants, lstat, rename, rm, stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { CliError } from "./context.ts";

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

/** True if a file, folder or link has this name. */
export async function isThere(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  );
}

/**
 * Writes a file that is whole or not there: under another name until it is complete.
 * @param mode who may read and write it
 * @throws CliError if it cannot be written; what `content` throws as it is
 */
export async function save(
  content: AsyncIterable<Uint8Array>,
  path: string,
  mode: number = 0o666,
): Promise<void> {
  const draft = `${path}.${randomBytes(4).toString("hex")}.part`;
  try {
    await pipeline(content, createWriteStream(draft, { flags: "wx", mode }));
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {});
    throw isOfSystem(error) ? new CliError(`${path} cannot be written: ${writeFailure(error)}.`) : error;
  }
}

function isOfSystem(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error;
}

function writeFailure({ code, message }: NodeJS.ErrnoException): string {
  if (code === "ENOENT" || code === "ENOTDIR") return "there is no such folder";
  if (code === "EACCES" || code === "EPERM" || code === "EROFS") return "you may not write there";
  if (code === "ENOSPC") return "the disk is full";
  if (code === "EISDIR") return "it is a folder";
  return message;
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
