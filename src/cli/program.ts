import { Command, CommanderError, Option } from "commander";
import { registerApiKeys } from "./api-keys.ts";
import { registerAudit } from "./audit.ts";
import { type CliContext, CliError, type ClientSettings, type Io } from "./context.ts";
import { registerJobs } from "./jobs.ts";
import { registerLogin } from "./login.ts";
import { registerPassword } from "./password.ts";
import { registerPipelines } from "./pipelines.ts";
import { DEFAULT_NAME } from "./program-name.ts";
import { registerResult } from "./result.ts";
import { registerRoles } from "./roles.ts";
import { registerServerCommands, type ServerCommands } from "./server-commands.ts";
import { registerSubmit } from "./submit.ts";
import { registerSystem } from "./system.ts";
import { clean } from "./text.ts";
import { registerUsers } from "./users.ts";
import { registerWebhooks } from "./webhooks.ts";

/** What shells show for a command whose reader has gone: the end was not seen, so it is no success. */
const PIPE_CLOSED = 141;

/** What the program is made of: the commands that run a server come from outside, all others are clients. */
export interface ProgramDeps extends ServerCommands {
  readonly version: string;
  /** What to type to run the program, for help and hints: `sluice`, or `npx sluice`. Default `sluice`. */
  readonly programName?: string;
  /** Called by the commands that need them only. @throws on bad settings, with a sentence for people */
  readonly settings: () => ClientSettings;
  /** Exit code for an error that the program itself knows; undefined = 1. */
  readonly exitCodeOf?: (error: unknown) => number | undefined;
  readonly io?: Io;
}

/**
 * The `sluice` command. `onExit` gets the exit code of the command that ran; `onServe` is called before a command that
 * runs or keeps a server: such a one must end in good order, even if nobody reads its output any more.
 */
export function buildProgram(
  deps: ProgramDeps,
  onExit: (code: number) => void = setExitCode,
  onServe: () => void = () => {},
): Command {
  const io = deps.io ?? process;
  const programName = deps.programName ?? DEFAULT_NAME;
  const program = new Command(programName)
    .description("Turns documents into text, structure and metadata.")
    .version(deps.version)
    .option("--url <url>", "server to call (default: SLUICE_URL, else the server on this machine)")
    // So that a command may have options of the program's names: `pipelines get NAME --version 2`.
    .enablePositionalOptions()
    .configureOutput({ writeOut: (text) => io.stdout.write(text), writeErr: (text) => io.stderr.write(text) })
    .exitOverride()
    .addHelpText(
      "after",
      `
Examples:
  $ ${programName} serve                             start a server
  $ ${programName} submit report.pdf --follow        turn a document into text
  $ ${programName} jobs list --status failed         see what went wrong
  $ ${programName} result 0198c000-… --output json   fetch a result again

Environment: SLUICE_URL, SLUICE_API_KEY, SLUICE_DATA_DIR.`,
    );
  const run = async (action: () => Promise<number>): Promise<void> => onExit(await action());
  let acting: Command = program;
  program.hook("preAction", (_, command) => {
    acting = command;
  });
  const context: CliContext = {
    io,
    programName,
    settings: deps.settings,
    url: () => (acting.optsWithGlobals() as { url?: string }).url,
  };
  registerServerCommands(program, deps, (action) => {
    onServe();
    return run(action);
  });
  registerLogin(program, context, run);
  registerPassword(program, context, run);
  registerSubmit(program, context, run);
  registerJobs(program, context, run);
  registerResult(program, context, run);
  registerPipelines(program, context, run);
  registerUsers(program, context, run);
  registerRoles(program, context, run);
  registerApiKeys(program, context, run);
  registerWebhooks(program, context, run);
  registerSystem(program, context, run);
  registerAudit(program, context, deps, run);
  for (const command of program.commands) takeUrl(command);
  pointToHelp(program, programName);
  return program;
}

/** `--url` may stand anywhere. */
function takeUrl(command: Command): void {
  command.addOption(new Option("--url <url>").hideHelp());
  for (const inner of command.commands) takeUrl(inner);
}

/** What is wrong with a command is answered with where to read of that command. */
function pointToHelp(command: Command, spelt: string): void {
  command.showHelpAfterError(`Try \`${spelt} --help\`.`);
  for (const inner of command.commands) pointToHelp(inner, `${spelt} ${inner.name()}`);
}

/** Runs the command line and returns its exit code; what goes wrong becomes one sentence on stderr. */
export async function runProgram(argv: readonly string[], deps: ProgramDeps): Promise<number> {
  const io = deps.io ?? process;
  let serving = false;
  // `sluice … | head` closes the pipe; that is no failure to talk about, and may show after the command has ended.
  const quiet = (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    // Node hears of it by this error only. Who has something to undo first waits for the signal.
    if (!serving && !process.emit("SIGPIPE")) process.exit(PIPE_CLOSED);
  };
  io.stdout.on("error", quiet);
  io.stderr.on("error", quiet);
  let code = 0;
  const onServe = () => {
    serving = true;
  };
  const onExit = (exitCode: number) => {
    code = exitCode;
  };
  const program = buildProgram(deps, onExit, onServe);
  try {
    await program.parseAsync([...argv], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const message = error instanceof Error ? error.message : String(error);
    io.stderr.write(`${message.split("\n").map(clean).join("\n")}\n`);
    return error instanceof CliError ? error.exitCode : (deps.exitCodeOf?.(error) ?? 1);
  }
}

function setExitCode(code: number): void {
  process.exitCode = code;
}
