import { runProgram } from "../../../src/cli/program.ts";
import { clientSettings } from "../../../src/config.ts";

// The client half of the program, for tests that need no server commands.
const none = async () => 0;
process.exitCode = await runProgram(process.argv.slice(2), {
  serve: none,
  worker: none,
  migrate: none,
  createUser: none,
  resetPassword: none,
  version: "0.0.0",
  ...(process.env.TEST_PROGRAM_NAME && { programName: process.env.TEST_PROGRAM_NAME }),
  settings: clientSettings,
});
