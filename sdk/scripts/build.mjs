// Compiles src, and of ../gen what it imports, into dist: plain JavaScript and declarations.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const sdk = dirname(dirname(fileURLToPath(import.meta.url)));
const compiler = dirname(createRequire(import.meta.url).resolve("typescript-7/package.json"));
rmSync(join(sdk, "dist"), { recursive: true, force: true });
execFileSync(process.execPath, [join(compiler, "bin/tsc"), "-p", sdk], { stdio: "inherit" });
const licence = join(sdk, "../LICENSE");
if (existsSync(licence)) copyFileSync(licence, join(sdk, "dist/LICENSE"));
