import { type CredentialOptions, createSluice, SluiceError } from "@sluice/sdk";
import type { Command } from "commander";
import { findTarget, type Target } from "./connect.ts";
import { type CliContext, CliError, sentenceOf } from "./context.ts";
import { readLogin, writeLogin } from "./credentials.ts";
import { createPrompts } from "./prompt.ts";
import { readNewSecret, readSecret } from "./secret.ts";
import { newTokens } from "./session.ts";
import { clean } from "./text.ts";

interface PasswordOptions {
  readonly email?: string;
  readonly passwordFile?: string;
  readonly newPasswordFile?: string;
}

export function registerPassword(
  program: Command,
  context: CliContext,
  run: (action: () => Promise<number>) => Promise<void>,
): void {
  program
    .command("password")
    .description("change your password; this ends all of your sessions, API keys stay")
    .option("--email <address>", "whose password; default: the one who is logged in")
    .option(
      "--password-file <file>",
      "file whose first line is the password until now; - reads it from stdin",
    )
    .option("--new-password-file <file>", "file whose first line is the new password; - reads it from stdin")
    .addHelpText(
      "after",
      `
Both are asked for on a terminal, and read from stdin, one line each, when that is none.

Examples:
  $ ${context.programName} password
  $ ${context.programName} password --email me@example.com --password-file old.txt --new-password-file new.txt`,
    )
    .action((options: PasswordOptions) => run(() => changePassword(context, options)));
}

async function changePassword(context: CliContext, options: PasswordOptions): Promise<number> {
  const target = await findTarget(context);
  const { url, settings, programName } = target;
  const prompts = createPrompts(context.io);
  try {
    const known = options.email === undefined ? await callerOf(target) : options.email.trim();
    const current = await readSecret(
      options.passwordFile ?? "-",
      prompts,
      `Password of ${clean(known)} until now: `,
    );
    const next = await readNewSecret(context.io, options.newPasswordFile ?? "-", prompts);
    const credentials =
      options.email === undefined ? target.credentials : { login: { email: known, password: current } };
    await withClient(url, credentials, (sluice) =>
      sluice.auth.changePassword({ currentPassword: current, newPassword: next }),
    );
    context.io.stderr.write(
      `The password of ${clean(known)} at ${url} is changed. All sessions have ended; API keys go on.\n`,
    );
    const stored = await readLogin(settings.configDir, url);
    if (stored?.tokens && stored.email.toLowerCase() === known.toLowerCase()) {
      const tokens = await newTokens(url, { email: stored.email, password: next });
      await writeLogin(settings.configDir, url, { ...stored, tokens });
    }
    return 0;
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    if (error.reason === "LOGIN_FAILED")
      throw new CliError("The password until now is not right; nothing was changed.");
    const asks = error.reason === "UNAUTHENTICATED" && options.email === undefined;
    throw new CliError(
      asks
        ? `Nobody is logged in at ${url}. Say who you are: \`${programName} password --email ADDRESS\`.`
        : sentenceOf(error, target),
    );
  } finally {
    prompts.close();
  }
}

/** The e-mail address of the one whose credential is used. */
async function callerOf({ url, credentials }: Target): Promise<string> {
  const { user } = await withClient(url, credentials, (sluice) => sluice.auth.getCaller({}));
  if (!user) throw new CliError("The answer is empty.");
  if (user.isServiceAccount)
    throw new CliError(`${clean(user.email)} is a service account and has no password.`);
  return user.email;
}

async function withClient<T>(
  url: string,
  credentials: CredentialOptions,
  act: (sluice: ReturnType<typeof createSluice>) => Promise<T>,
): Promise<T> {
  const sluice = createSluice({ url, ...credentials });
  try {
    return await act(sluice);
  } finally {
    sluice.close();
  }
}
