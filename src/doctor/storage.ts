import { constants, existsSync } from "node:fs";
import { access, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { messageOf } from "../lib/errors.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import type { Check, Finding } from "./model.ts";
import { size } from "./words.ts";

/**
 * Can an object be written, read back and deleted? A `folder` that is not there yet is not made: it would belong to
 * whoever runs the doctor.
 */
export function storageCheck({ store, folder }: { store: () => ObjectStore; folder: string | null }): Check {
  return {
    name: "storage",
    async run() {
      if (folder && !existsSync(folder)) return [await absentFinding(folder)];
      const begun = performance.now();
      try {
        await store().check();
      } catch (error) {
        return [{ level: "fault", code: "STORAGE_BROKEN", message: messageOf(error).replace(/\.$/, "") }];
      }
      const ms = Math.ceil(performance.now() - begun);
      return [{ level: "ok", code: "OK", message: `an object was written, read and deleted in ${ms} ms` }];
    },
  };
}

async function absentFinding(folder: string): Promise<Finding> {
  let above = dirname(folder);
  while (!existsSync(above) && above !== dirname(above)) above = dirname(above);
  try {
    await access(above, constants.W_OK | constants.X_OK);
  } catch {
    const message = `the folder ${folder} is not there and cannot be made in ${above}`;
    return {
      level: "fault",
      code: "STORAGE_BROKEN",
      message,
      advice: "Make it, and give it to the service.",
    };
  }
  return { level: "ok", code: "OK", message: `nothing is stored yet; the folder ${folder} can be made` };
}

/** A folder that the service writes to. */
export interface Place {
  /** What it is for, for people. */
  readonly name: string;
  readonly path: string;
}

export interface Space {
  readonly freeBytes: number;
  /** Null where the file system does not count them. */
  readonly freeFiles: number | null;
}

/** Below the first a document of the usual largest size and its results hardly fit; below the second next to nothing does. */
const LOW_BYTES = 2 * 1024 ** 3;
const FULL_BYTES = 200 * 1024 ** 2;
const LOW_FILES = 10_000;

/** Is room left on the disks of this machine? */
export function spaceCheck({ places }: { places: readonly Place[] }): Check {
  return {
    name: "disk space",
    async run() {
      const spaces = await Promise.all(places.map(async (place) => ({ place, space: await spaceOf(place) })));
      const findings = spaces.flatMap(({ place, space }) => (space ? spaceFindings(place, space) : []));
      if (findings.length > 0) return findings;
      const told = spaces.flatMap(({ place, space }) =>
        space ? `${size(space.freeBytes)} for ${place.name}` : [],
      );
      return [
        { level: "ok", code: "OK", message: `free: ${told.join(", ") || "nothing is written here yet"}` },
      ];
    },
  };
}

/** Null for a folder that is not there yet. */
async function spaceOf({ path }: Place): Promise<Space | null> {
  try {
    const { bavail, bsize, files, ffree } = await statfs(path);
    return { freeBytes: bavail * bsize, freeFiles: files > 0 ? ffree : null };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

export function spaceFindings({ name, path }: Place, { freeBytes, freeFiles }: Space): Finding[] {
  const advice = `Make room on the disk of ${path}; when it is full, jobs fail and new ones are refused.`;
  if (freeBytes < LOW_BYTES) {
    const message = `only ${size(freeBytes)} are free for ${name} in ${path}`;
    return [{ level: freeBytes < FULL_BYTES ? "fault" : "warn", code: "DISK_LOW", message, advice }];
  }
  if (freeFiles !== null && freeFiles < LOW_FILES) {
    const message = `only ${freeFiles} more files fit on the disk for ${name} in ${path}`;
    return [{ level: freeFiles === 0 ? "fault" : "warn", code: "DISK_FILES_LOW", message, advice }];
  }
  return [];
}
