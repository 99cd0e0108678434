import { createInterface } from "node:readline/promises";
import { CliError, type Io } from "./context.ts";

/** Asks on stderr, so that stdout stays clean. Without a terminal, the next line of stdin is the answer. */
export function createPrompts({ stdin, stderr }: Io) {
  let lines: AsyncIterator<string> | undefined;

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
      stderr.write(question);
      return await readHidden(stdin).finally(() => stderr.write("\n"));
    },
    close(): void {
      stdin.pause();
    },
  };
}

function readHidden(stdin: Io["stdin"]): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const finish = (end: () => void) => {
      stdin.off("data", take);
      stdin.setRawMode?.(false);
      stdin.pause();
      end();
    };
    const take = (data: Buffer | string) => {
      for (const key of data.toString()) {
        if (key === "\r" || key === "\n" || key === "\u0004") return finish(() => resolve(answer));
        if (key === "\u0003") return finish(() => reject(new CliError("Interrupted.", 130)));
        answer = key === "\u007f" || key === "\b" ? [...answer].slice(0, -1).join("") : answer + key;
      }
    };
    stdin.setRawMode?.(true);
    stdin.resume();
    stdin.on("data", take);
  });
}
