import { hostname } from "node:os";
import { createSluice, SluiceError } from "@sluice/sdk";
import type { Command } from "commander";
import { findTarget } from "./connect.ts";
import { type CliContext, CliError, sentenceOf } from "./context.ts";
import { readLogin, type StoredLogin, writeLogin } from "./credentials.ts";
import { createPrompts } from "./prompt.ts";
import { readSecret } from "./secret.ts";
import { newTokens } from "./session.ts";
import { clean } from "./text.ts";

type Run = (action: () => Promise<number>) => Promise<void>;

export function registerLogin(program: Command, context: CliContext, run: Run): void {
  program
    .command("login")
    .description("log in and keep the credential for later commands")
    .option("--email <address>", "who logs in; asked for if it is not given")
    .option("--password-file <file>", "file whose first line is the password; - reads it from stdin")
    .addHelpText(
      "after",
      `
The password is asked for, or read from stdin when that is not a terminal.

Example:
  $ ${context.programName} login --email me@example.com --password-file secret.txt`,
    )
    .action((options: LoginOptions) => run(() => login(context, options)));
  program
    .command("logout")
    .description("forget the credential of a server, and revoke it there")
    .action(() => run(() => logout(context)));
}

interface LoginOptions {
  readonly email?: string;
  readonly passwordFile?: string;
}

async function login(context: CliContext, options: LoginOptions): Promise<number> {
  const target = await findTarget(context);
  const { url, settings, programName } = target;
  const { stderr } = context.io;
  const prompts = createPrompts(context.io);
  const email = (options.email ?? (await prompts.ask("E-mail: "))).trim();
  const password = await readSecret(options.passwordFile ?? "-", prompts);
  prompts.close();
  const sluice = createSluice({ url, login: { email, password } });
  try {
    const { permissions, user } = await sluice.auth.getCaller({});
    const stored = await obtain(sluice, url, { email, password }, permissions);
    const file = await writeLogin(settings.configDir, url, stored);
    stderr.write(`Logged in at ${url} as ${clean(email)}. The credential is in ${file}.\n`);
    if (user?.mustChangePassword) {
      stderr.write(
        `Somebody else chose this password, so it should be changed. Choose your own:\n  ${programName} password\n`,
      );
    }
    return 0;
  } catch (error) {
    if (error instanceof SluiceError) throw new CliError(sentenceOf(error, target));
    throw error;
  } finally {
    sluice.close();
  }
}

/** An API key of its own: tokens of one session, refreshed by two commands at once, would end that session. */
async function obtain(
  sluice: ReturnType<typeof createSluice>,
  url: string,
  { email, password }: { email: string; password: string },
  permissions: string[],
): Promise<StoredLogin> {
  try {
    const name = `sluice login on ${hostname()}`.slice(0, 100);
    const { apiKey, secret } = await sluice.auth.createApiKey({ name, permissions });
    await sluice.auth.logout({}).catch(() => {});
    return { email, apiKey: secret, ...(apiKey && { apiKeyId: apiKey.id }) };
  } catch (error) {
    const mayNot = error instanceof SluiceError && /permission_denied|unimplemented/.test(error.code);
    if (!mayNot) throw error;
  }
  return { email, tokens: await newTokens(url, { email, password }) };
}

async function logout(context: CliContext): Promise<number> {
  const target = await findTarget(context);
  const { url, settings, credentials } = target;
  const stored = await readLogin(settings.configDir, url);
  if (!stored) {
    context.io.stderr.write(`Nobody is logged in at ${url}.\n`);
    return 0;
  }
  const sluice = createSluice({ url, ...(stored.apiKey ? { apiKey: stored.apiKey } : credentials) });
  try {
    // Keys that somebody made by this login, for a service account say, are not the login.
    if (stored.apiKeyId) await sluice.auth.revokeApiKey({ id: stored.apiKeyId, keepMadeKeys: true });
    else await sluice.auth.logout({});
  } catch (error) {
    const why = error instanceof SluiceError ? sentenceOf(error, target) : String(error);
    context.io.stderr.write(`The server could not be told: ${clean(why)}\n`);
  } finally {
    sluice.close();
  }
  await writeLogin(settings.configDir, url, undefined);
  context.io.stderr.write(`Logged out at ${url}.\n`);
  return 0;
}
