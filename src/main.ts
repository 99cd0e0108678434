import { buildProgram } from "./cli/program.ts";
import { serverCommands } from "./commands.ts";
import { ConfigError } from "./config.ts";
import { messageOf } from "./lib/errors.ts";

/** The `sluice` command. Its exit code is 0 only when what was asked for was done. */
const program = buildProgram(serverCommands);

try {
  await program.parseAsync(process.argv);
} catch (error) {
  process.stderr.write(`sluice: ${messageOf(error)}\n`);
  process.exitCode = error instanceof ConfigError ? 2 : 1;
}
