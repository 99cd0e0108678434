import { runProgram } from "./cli/program.ts";
import { programNameOf } from "./cli/program-name.ts";
import { serverCommands } from "./commands.ts";
import { ConfigError, clientSettings } from "./config.ts";
import { VERSION } from "./version.ts";

/** The `sluice` command. Its exit code is 0 only when what was asked for was done. */
process.exitCode = await runProgram(process.argv.slice(2), {
  ...serverCommands,
  version: VERSION,
  programName: programNameOf(process.argv[1]),
  settings: () => clientSettings(),
  exitCodeOf: (error) => (error instanceof ConfigError ? 2 : undefined),
});
