import { setTimeout as sleep } from "node:timers/promises";
import { runProgram } from "../../../src/cli/program.ts";
import { clientSettings } from "../../../src/config.ts";
import { NO_COMMANDS } from "../../support/no-commands.ts";

const { TEST_PROGRAM_NAME: programName, TEST_SERVE_LINES: serveLines } = process.env;
process.exitCode = await runProgram(process.argv.slice(2), {
  ...NO_COMMANDS,
  /** Talks as many lines as it is told, then stops with an exit code of its own. */
  async serve() {
    for (let i = 0; i < Number(serveLines); i++) {
      process.stdout.write(`line ${i}\n`);
      await sleep(1);
    }
    process.stderr.write("stopped\n");
    return 7;
  },
  ...(programName && { programName }),
  settings: clientSettings,
});
