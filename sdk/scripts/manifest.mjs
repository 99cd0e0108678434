// In the checkout `exports` points to the TypeScript source, in the published package to dist. npm packs the
// package.json it finds, so it is replaced while npm packs.
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const sdk = dirname(dirname(fileURLToPath(import.meta.url)));
const manifest = join(sdk, "package.json");
const kept = join(sdk, ".package.json.source");

if (existsSync(kept)) renameSync(kept, manifest);
if (process.argv[2] === "publish") {
  const text = readFileSync(manifest, "utf8");
  const { publishConfig, scripts, ...rest } = JSON.parse(text);
  writeFileSync(kept, text);
  writeFileSync(manifest, `${JSON.stringify({ ...rest, exports: publishConfig.exports }, null, 2)}\n`);
}
