import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { giveToNobody, ROOT } from "./processes.ts";

/** A copy of what runs of this checkout, in a folder that only its owner may enter and whose name has a space. */
export interface Checkout extends AsyncDisposable {
  readonly path: string;
}

interface Lock {
  readonly packages: Readonly<Record<string, { readonly dev?: boolean }>>;
}

/** Sources and the packages that the lock file does not call development packages; linked where that is possible. */
export async function copyCheckout(options: { forNobody?: boolean } = {}): Promise<Checkout> {
  const folder = mkdtempSync(join(tmpdir(), "sluice checkout "));
  const path = join(folder, "Eine Kopie");
  mkdirSync(path, { mode: 0o700 });
  const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as Lock;
  const packages = Object.entries(lock.packages)
    .filter(([name, { dev }]) => name.startsWith("node_modules/") && !dev)
    .map(([name]) => name)
    .filter((name) => name.lastIndexOf("node_modules/") === 0 && existsSync(join(ROOT, name)));
  copy(["src", "gen", "sdk", "package.json", ...packages], path);
  if (options.forNobody) {
    giveToNobody(folder);
    giveToNobody(path);
  }
  return {
    path,
    async [Symbol.asyncDispose]() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function copy(parts: readonly string[], to: string): void {
  try {
    // Hard links: nothing is written into these files. Not between two file systems, nor on every platform.
    execFileSync("cp", ["-al", "--parents", ...parts, to], { cwd: ROOT, stdio: "ignore" });
  } catch {
    for (const part of parts) {
      cpSync(join(ROOT, part), join(to, part), { recursive: true, force: true, verbatimSymlinks: true });
    }
  }
}
