import { createReadStream, createWriteStream } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline as streamPipeline } from "node:stream/promises";
import type { Checkpoint, Lease } from "../jobs/leases.ts";
import type { ObjectStore } from "../storage/object-store.ts";

/** Checkpoints up to this size stand in the row of their stage. */
const INLINE_CHECKPOINT_BYTES = 256 * 1024;

/** The output of a stage, as the row of the stage keeps it. */
export interface KeptOutput {
  readonly checkpoint: Uint8Array | null;
  readonly checkpointObject: string | null;
}

export const NO_OUTPUT: KeptOutput = { checkpoint: null, checkpointObject: null };

/** Puts the output of the stage at `position` where a later attempt finds it; a large one under the token of this attempt. */
export async function keepOutput(
  store: ObjectStore,
  { jobId, token }: Lease,
  position: number,
  path: string,
): Promise<KeptOutput> {
  const { size } = await stat(path);
  if (size <= INLINE_CHECKPOINT_BYTES) return { checkpoint: await readFile(path), checkpointObject: null };
  const key = `checkpoints/${jobId}/${token}/${position}.json`;
  await store.put(key, createReadStream(path));
  return { checkpoint: null, checkpointObject: key };
}

/** Brings the output of an earlier attempt into `folder`. Its path; null when nothing was kept. */
export async function restoreOutput(
  store: ObjectStore,
  checkpoint: Checkpoint | null,
  folder: string,
  signal: AbortSignal,
): Promise<string | null> {
  if (!checkpoint) return null;
  const path = join(folder, `restored-${checkpoint.position}.json`);
  if (checkpoint.content) {
    await writeFile(path, checkpoint.content);
    return path;
  }
  if (!checkpoint.objectKey) return null;
  const { body } = await store.get(checkpoint.objectKey, {}, signal);
  await streamPipeline(body, createWriteStream(path), { signal });
  return path;
}
