import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// Generates from the contract into another folder: `gen/` must hold exactly that.

const folder = mkdtempSync(join(tmpdir(), "sluice-gen-"));
try {
  const generated = spawnSync("buf", ["generate", "--output", folder], { stdio: "inherit" });
  if (generated.status !== 0) throw new Error("buf generate failed");
  const options = ["--no-pager", "diff", "--no-index", "--stat", "--exit-code"];
  const same = spawnSync("git", [...options, "--", "gen", join(folder, "gen")], { stdio: "inherit" });
  if (same.status !== 0) {
    process.stdout.write("gen/ is not what the contract generates: run `npm run generate` and commit it.\n");
    process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
