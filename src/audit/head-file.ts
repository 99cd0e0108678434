import { randomBytes } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { messageOf } from "../lib/errors.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { ChainPoint } from "./chain.ts";

const FILE = "audit-head.json";
const HEAD = z.strictObject({
  sequence: z.int().min(1),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  checkpoint: z.int().min(0),
});

/** The newest end of the chain that this machine has seen. */
export interface KnownHead extends ChainPoint {
  /** Number of the newest checkpoint; 0 = none. */
  readonly checkpoint: number;
}

/**
 * Remembers the end of the chain in the data folder, outside the database: an end that is cut off there together with its
 * checkpoints is missed here.
 */
export interface HeadFile {
  /** Null when nothing is known. */
  read(): Promise<KnownHead | null>;
  /** Keeps the head if it is farther than the known one. */
  note(head: KnownHead): Promise<void>;
}

export function createHeadFile(dataDir: string, logger: Logger): HeadFile {
  const path = join(dataDir, FILE);
  let known: KnownHead | null | undefined;

  const load = async (): Promise<KnownHead | null> => {
    try {
      const { sequence, hash, checkpoint } = HEAD.parse(JSON.parse(await readFile(path, "utf8")));
      return { sequence, hash: Buffer.from(hash, "hex"), checkpoint };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") {
        logger.warn(
          { file: path, error: messageOf(error) },
          "the last known end of the audit chain cannot be read; it is written anew",
        );
      }
      return null;
    }
  };

  const read = async (): Promise<KnownHead | null> => {
    if (known === undefined) known = await load();
    return known;
  };

  return {
    read,
    async note(head) {
      const before = await read();
      const checkpoint = Math.max(head.checkpoint, before?.checkpoint ?? 0);
      if (before && (head.sequence < before.sequence || isSame(before, { ...head, checkpoint }))) return;
      await write(path, JSON.stringify({ ...head, hash: head.hash.toString("hex"), checkpoint }));
      known = { ...head, checkpoint };
    },
  };
}

const isSame = (a: KnownHead, b: KnownHead): boolean =>
  a.sequence === b.sequence && a.checkpoint === b.checkpoint;

/** In its place at once, and after a power cut too. */
async function write(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    const file = await open(draft, "wx", 0o600);
    try {
      await file.writeFile(`${text}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
}
