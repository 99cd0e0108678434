import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tempFolderSettings } from "../../support/temp-folder.ts";

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly url?: string;
  readonly env?: Record<string, string>;
  readonly stdin?: string;
  /** Typed one after another, each when its question has come; stdin is then left open until the end. */
  readonly answers?: readonly { readonly when: string; readonly type: string }[];
  /** Called with all of the output so far, whenever there is more. */
  readonly onOutput?: (text: string, kill: (signal: NodeJS.Signals) => void) => void;
}

const MAIN = join(import.meta.dirname, "main.ts");

/** A folder that is home, configuration, data and working folder of commands. */
export async function createHome() {
  const folder = await mkdtemp(join(tmpdir(), "sluice-cli-"));

  function launch(
    command: string,
    args: string[],
    { url, env, stdin, answers, onOutput }: RunOptions,
  ): Promise<Finished> {
    return new Promise((resolve, reject) => {
      const { PATH = "" } = process.env;
      const child = spawn(command, args, {
        cwd: folder,
        env: {
          PATH,
          ...tempFolderSettings(),
          HOME: folder,
          XDG_CONFIG_HOME: join(folder, "config"),
          ...(url && { SLUICE_URL: url }),
          ...env,
        },
      });
      let stdout = "";
      let stderr = "";
      const open = [...(answers ?? [])];
      const tell = () => {
        onOutput?.(stdout + stderr, (signal) => child.kill(signal));
        const [next] = open;
        if (!next || !(stdout + stderr).includes(next.when)) return;
        open.shift();
        child.stdin.write(next.type);
      };
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        stdout += text;
        tell();
      });
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        stderr += text;
        tell();
      });
      child.on("error", reject);
      child.on("close", (code) => resolve({ code, stdout, stderr }));
      child.stdin.on("error", () => {});
      if (answers) child.on("exit", () => child.stdin.end());
      else child.stdin.end(stdin ?? "");
    });
  }

  const quote = (arg: string) => `'${arg.replaceAll("'", "'\\''")}'`;
  return {
    folder,
    sluice: (args: string[], options: RunOptions = {}) => launch(process.execPath, [MAIN, ...args], options),
    /** In a terminal of this size, as `script` makes one; stdout and stderr come together. */
    onTerminal(args: string[], size: { columns: number; rows: number }, options: RunOptions = {}) {
      const line = [process.execPath, MAIN, ...args].map(quote).join(" ");
      const inner = `stty cols ${size.columns} rows ${size.rows}; exec ${line}`;
      const env = { TERM: "xterm-256color", SHELL: "/bin/sh", ...options.env };
      return launch("script", ["-qec", inner, "/dev/null"], { ...options, env });
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
