import { hostname } from "node:os";
import { createSluice, SluiceError } from "@sluice/sdk";
import type { Command } from "commander";
import { findTarget } from "./connect.ts";
import { type CliContext, CliError, sentenceOf } from "./context.ts";
import { readLogin, type StoredLogin, writeLogin } from "./credentials.ts";
import { createPrompts } from "./prompt.ts";
import { clean } from "./text.ts";

type Run = (action: () => Promise<number>) => Promise<void>;

export function registerLogin(program: Command, context: CliContext, run: Run): void {
  program
    .command("login")
    .description("log in and keep the credential for later commands")
    .option("--email <address>", "who logs in; asked for if it is not given")
    .addHelpText(
      "after",
      `\nThe password is asked for, or read from stdin when that is not a terminal:\n  $ ${context.programName} login --email me@example.com < password-file`,
    )
    .action((options: { email?: string }) => run(() => login(context, options)));
  program
    .command("logout")
    .description("forget the credential of a server, and revoke it there")
    .action(() => run(() => logout(context)));
}

async function login(context: CliContext, options: { email?: string }): Promise<number> {
  const target = await findTarget(context);
  const { url, settings } = target;
  const prompts = createPrompts(context.io);
  const email = (options.email ?? (await prompts.ask("E-mail: "))).trim();
  const password = await prompts.askHidden("Password: ");
  prompts.close();
  const sluice = createSluice({ url, login: { email, password } });
  try {
    const { permissions } = await sluice.auth.getCaller({});
    const stored = await obtain(sluice, url, { email, password }, permissions);
    const file = await writeLogin(settings.configDir, url, stored);
    context.io.stderr.write(`Logged in at ${url} as ${clean(email)}. The credential is in ${file}.\n`);
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
  const anonymous = createSluice({ url });
  try {
    const { accessToken, refreshToken, expireTime } = await anonymous.auth.login({ email, password });
    return {
      email,
      tokens: { accessToken, refreshToken, expireTimeMs: Number(expireTime?.seconds ?? 0n) * 1000 },
    };
  } finally {
    anonymous.close();
  }
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
    if (stored.apiKeyId) await sluice.auth.revokeApiKey({ id: stored.apiKeyId });
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
