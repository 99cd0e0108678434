import { chown } from "node:fs/promises";
import { messageOf } from "../../lib/errors.ts";
import { type BinarySource, copyPackage, findBinaries, linkLibraries } from "./binaries.ts";
import { PostgresUnavailableError } from "./errors.ts";
import { type Identity, type IdentityKind, identities } from "./identity.ts";
import { run } from "./run.ts";

/** A server that was seen to run here: what, and as whom. */
export interface Installation {
  readonly binDir: string;
  readonly identity: Identity;
  /** Major version, e.g. `18`. */
  readonly major: string;
}

export interface ChooseOptions {
  readonly dataDir: string;
  /** Where the binaries may be copied when they cannot be used where they are. */
  readonly cacheDir: string;
  /** Owner and major version of the database in the data folder, if there is one. */
  readonly existing: { readonly uid: number; readonly gid: number; readonly major: string } | null;
  readonly only?: readonly IdentityKind[] | undefined;
}

const PROBE_MS = 10_000;
const DATA_UNREACHABLE = 41;
const PROBE = `cd "$1" && test -w . || exit ${DATA_UNREACHABLE}
test -x "$2/initdb" || { echo "not readable"; exit 42; }
exec "$2/postgres" -V`;

/**
 * Finds the first identity and binaries that work together on this data folder, by trying them.
 * @throws PostgresUnavailableError naming what was tried and why each failed
 */
export async function chooseInstallation(options: ChooseOptions): Promise<Installation> {
  const tried: string[] = [];
  const sources = await findBinaries(options.existing?.major ?? null);
  if (sources.length === 0) tried.push("no server found");
  const ways = identities(options.existing, options.only);
  if (ways.length === 0) tried.push(`this user cannot run a server on ${process.platform}`);
  for (const identity of ways) {
    if (identity.owner) await chown(options.dataDir, identity.owner.uid, identity.owner.gid).catch(() => {});
    for (const source of sources) {
      const found = await trySource(options, identity, source, tried);
      if (found) return found;
    }
  }
  throw new PostgresUnavailableError([...new Set(tried)]);
}

async function trySource(
  options: ChooseOptions,
  identity: Identity,
  source: BinarySource,
  tried: string[],
): Promise<Installation | null> {
  const probe = async (binDir: string): Promise<Installation | null> => {
    const { code, stdout, stderr } = await run(
      identity.wrap(["sh", "-c", PROBE, "sh", options.dataDir, binDir]),
      PROBE_MS,
    );
    const major = /PostgreSQL\) (\d+)/.exec(stdout)?.[1];
    // A server that may not look itself up by its own path runs, but initdb then does not find it.
    const findsItself = !stderr.includes("invalid binary");
    if (code === 0 && major !== undefined && findsItself) return { binDir, identity, major };
    const why = code === DATA_UNREACHABLE ? `cannot reach ${options.dataDir}` : (stderr || stdout).trim();
    tried.push(`${source.name} as ${identity.kind}: ${why.slice(-200)}`);
    return null;
  };
  const { packageDir } = source;
  const complete = packageDir === null || (await linkLibraries(packageDir));
  const inPlace = complete ? await probe(source.binDir) : null;
  if (inPlace || packageDir === null) return inPlace;
  if (tried.at(-1)?.includes(`cannot reach ${options.dataDir}`)) return null;
  try {
    return await probe(await copyPackage(packageDir, options.cacheDir));
  } catch (error) {
    tried.push(`copy to ${options.cacheDir}: ${messageOf(error)}`);
    return null;
  }
}
