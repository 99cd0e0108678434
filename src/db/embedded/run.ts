import { type SpawnOptions, spawn } from "node:child_process";

/** What the server and its tools see of the environment: no PG* settings, no secrets of ours, one locale. */
export const cleanEnv = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  LC_ALL: "C",
  TZ: "UTC",
};

const OUTPUT_LIMIT = 16 * 1024;

export interface RunResult {
  /** Exit code; -1 when the program could not be started or was killed. */
  readonly code: number;
  readonly stdout: string;
  /** The last 16 KiB, like stdout. */
  readonly stderr: string;
}

/** Runs a program to its end, at most `timeoutMs`; never throws. */
export function run(
  argv: readonly string[],
  timeoutMs: number,
  options: Pick<SpawnOptions, "cwd" | "env"> = {},
): Promise<RunResult> {
  const [command = "", ...args] = argv;
  return new Promise((resolve) => {
    const output = { stdout: "", stderr: "" };
    const child = spawn(command, args, {
      env: cleanEnv,
      cwd: "/",
      ...options,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: timeoutMs,
      killSignal: "SIGKILL",
    });
    for (const name of ["stdout", "stderr"] as const) {
      child[name]?.setEncoding("utf8").on("data", (text: string) => {
        output[name] = (output[name] + text).slice(-OUTPUT_LIMIT);
      });
    }
    child.on("error", (error) => resolve({ code: -1, stdout: "", stderr: error.message }));
    child.on("close", (code) => resolve({ code: code ?? -1, ...output }));
  });
}
