import { CliError, type Io } from "./context.ts";
import { fileFailure, readStart } from "./files.ts";
import { createPrompts } from "./prompt.ts";

/** More than any password that a server takes, in bytes. */
const MAX_BYTES = 8_192;

type Prompts = ReturnType<typeof createPrompts>;

/**
 * A password, or what `what` names, that does not stand on the command line, where everybody on the machine can read
 * it: the first line of `file`, or of stdin if that is `-`; on a terminal `-` asks for it.
 * @throws CliError with exit code 2 if there is none
 */
export async function readSecret(
  file: string,
  prompts: Prompts,
  question = "Password: ",
  what = "password",
): Promise<string> {
  const [line = ""] = (file === "-" ? await prompts.askHidden(question) : await readFile(file)).split(
    /\r?\n/,
    1,
  );
  if (line === "") throw new CliError(`${file === "-" ? "stdin" : file}: its first line holds no ${what}`, 2);
  return line;
}

/**
 * A new password of 12 characters or more, from `file` as in `readSecret`; on a terminal it is typed twice, because
 * nobody sees it.
 * @throws CliError with exit code 2
 */
export async function readNewSecret({ stdin }: Io, file: string, prompts: Prompts): Promise<string> {
  const next = await readSecret(file, prompts, "New password, 12 characters or more: ");
  const typed = stdin.isTTY && file === "-";
  if (typed && (await prompts.askHidden("The new password again: ")) !== next)
    throw new CliError("The two new passwords differ; nothing was changed.", 2);
  return next;
}

async function readFile(file: string): Promise<string> {
  return await readStart(file, MAX_BYTES).catch((error: unknown) => {
    throw new CliError(`${file}: ${fileFailure(error)}`, 2);
  });
}

/** The password of `--password` or of `--password-file`; undefined if neither is given. */
export async function optionalSecret(
  io: Io,
  { password, passwordFile }: { readonly password?: string; readonly passwordFile?: string },
  question: string,
): Promise<string | undefined> {
  if (passwordFile === undefined) return password;
  const prompts = createPrompts(io);
  try {
    return await readSecret(passwordFile, prompts, question);
  } finally {
    prompts.close();
  }
}
