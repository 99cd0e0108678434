import { createInterface } from "node:readline/promises";
import { CliError, INTERRUPTED, type Io } from "./context.ts";

/** Asks on stderr, so that stdout stays clean. Without a terminal, the next line of stdin is the answer. */
export function createPrompts({ stdin, stderr }: Io) {
  let lines: AsyncIterator<string> | undefined;
  // What was typed or pasted behind the end of one hidden answer belongs to the next one.
  const typed = { ahead: "" };

  async function nextLine(): Promise<string> {
    lines ??= createInterface({ input: stdin })[Symbol.asyncIterator]();
    const { done, value } = await lines.next();
    if (done) throw new CliError("An answer is missing on stdin.", 2);
    return value;
  }

  return {
    async ask(question: string): Promise<string> {
      if (!stdin.isTTY) return await nextLine();
      const terminal = createInterface({ input: stdin, output: stderr });
      try {
        return await terminal.question(question);
      } finally {
        terminal.close();
      }
    },
    /** Nothing of the answer shows. */
    async askHidden(question: string): Promise<string> {
      if (!stdin.isTTY) return await nextLine();
      const answer = readHidden(stdin, typed);
      // Only now, when the terminal shows nothing any more: some answer as soon as they are asked.
      stderr.write(question);
      return await answer.finally(() => stderr.write("\n"));
    },
    close(): void {
      stdin.pause();
    },
  };
}

function readHidden(stdin: Io["stdin"], typed: { ahead: string }): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const finish = (end: () => void) => {
      stdin.off("data", take);
      stdin.off("end", gone);
      stdin.setRawMode?.(false);
      stdin.pause();
      end();
    };
    const gone = () => finish(() => reject(new CliError("An answer is missing: the terminal is gone.", 2)));
    const take = (data: Buffer | string) => {
      const keys = [...data.toString()];
      for (const [i, key] of keys.entries()) {
        if (key === "\r" || key === "\n" || key === "\u0004") {
          typed.ahead = keys.slice(i + 1).join("");
          return finish(() => resolve(answer));
        }
        if (key === "\u0003") return finish(() => reject(new CliError("Interrupted.", INTERRUPTED)));
        if (key === "\u0015") answer = "";
        else if (key === "\u007f" || key === "\b") answer = [...answer].slice(0, -1).join("");
        else if (key >= " ") answer += key;
      }
    };
    stdin.setRawMode?.(true);
    stdin.resume();
    stdin.on("data", take);
    stdin.on("end", gone);
    const ahead = typed.ahead;
    typed.ahead = "";
    if (ahead) take(ahead);
  });
}
