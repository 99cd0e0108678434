import { existsSync, readdirSync, realpathSync, statSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";

/** Entries of a module's folder; each becomes an argument of the processes that load it. */
const MAX_ENTRIES = 1_000;

/**
 * What a child may read, as Node's permissions name it, to run the code in `folder`: the package around it (its code and
 * package.json, not its data) and every node_modules it can see.
 */
export function codePaths(folder: string): string[] {
  const paths: string[] = [];
  let inPackage = true;
  for (let at = folder; ; at = dirname(at)) {
    const modules = join(at, "node_modules");
    if (existsSync(modules)) paths.push(`${realpathSync(modules)}/*`);
    if (inPackage && existsSync(join(at, "src"))) paths.push(`${join(at, "src")}/*`);
    if (inPackage && existsSync(join(at, "package.json"))) {
      paths.push(join(at, "package.json"));
      inPackage = false;
    }
    if (dirname(at) === at) return paths;
  }
}

/**
 * The same for a module of the operator's, and what lies beside it: the entries that its folder has now, without those whose
 * names begin with a dot and those that hold one of `closed`, which often lie in the folder where the service starts.
 * @param closed folders and files of the service that hold keys and documents
 * @throws Error when the module lies in one of them, or its folder has more entries than can be told apart
 */
export function modulePaths(module: string, closed: readonly string[]): string[] {
  const places = closed.flatMap((place) => [resolve(place), real(place)]);
  const folder = dirname(realpathSync(resolve(module)));
  const around = places.find((place) => isWithin(folder, place));
  if (around !== undefined)
    throw new Error(
      `${module} lies in ${around}, which holds keys or documents of the service. Move it to a folder of its own.`,
    );
  const names = readdirSync(folder).filter((name) => !name.startsWith("."));
  if (names.length > MAX_ENTRIES)
    throw new Error(
      `${module} lies in a folder with more than ${MAX_ENTRIES} entries. Move it to a folder of its own.`,
    );
  const beside = names.map((name) => join(folder, name)).flatMap(readable);
  // The code of a package may have the folders of the service in it, too.
  return [...beside, ...codePaths(folder)].filter((path) => {
    const root = real(path.replace(/\/\*$/, ""));
    return !places.some((place) => isWithin(place, root) || isWithin(root, place));
  });
}

function readable(path: string): string[] {
  const facts = statSync(path, { throwIfNoEntry: false });
  // A star would stand for every name that begins like this one.
  if (facts === undefined || path.includes("*")) return [];
  if (facts.isDirectory()) return [`${path}/*`];
  return facts.isFile() ? [path] : [];
}

/** Symbolic links lead Node's permissions on: what counts is where a path ends. */
function real(path: string): string {
  return existsSync(path) ? realpathSync(path) : resolve(path);
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}
