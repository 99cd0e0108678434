import { type CredentialOptions, createSluice, type Sluice, SluiceError } from "@sluice/sdk";
import { type CliContext, CliError, type ClientSettings, sentenceOf } from "./context.ts";
import { readLocal, readLogin, writeLogin } from "./credentials.ts";

const DEFAULT_URL = "http://127.0.0.1:8080";

/** The server that a command talks to. */
export interface Target {
  readonly url: string;
  readonly programName: string;
  readonly settings: ClientSettings;
  readonly credentials: CredentialOptions;
}

/**
 * Where to call and as whom: `--url`, SLUICE_URL, what a server on this machine wrote, the default address; and
 * SLUICE_API_KEY, a stored login at that address, the key of the server on this machine.
 */
export async function findTarget(context: CliContext): Promise<Target> {
  const settings = context.settings();
  const local = await readLocal(settings.dataDir);
  const url = (context.url() ?? settings.url ?? local.url ?? DEFAULT_URL).replace(/\/$/, "");
  if (!/^https?:$/.test(URL.canParse(url) ? new URL(url).protocol : "")) {
    throw new CliError(
      `${JSON.stringify(url)} is not the address of a server; write it like ${DEFAULT_URL}.`,
      2,
    );
  }
  const credentials = await findCredentials(url, settings, local);
  return { url, programName: context.programName, settings, credentials };
}

async function findCredentials(
  url: string,
  settings: ClientSettings,
  local: { url?: string; apiKey?: string },
): Promise<CredentialOptions> {
  if (settings.apiKey) return { apiKey: settings.apiKey };
  const login = await readLogin(settings.configDir, url);
  if (login?.apiKey) return { apiKey: login.apiKey };
  if (login?.tokens) {
    return {
      tokenStore: {
        load: async () => (await readLogin(settings.configDir, url))?.tokens,
        save: async (tokens) => {
          await writeLogin(settings.configDir, url, { email: login.email, tokens });
        },
      },
    };
  }
  // The local key opens this machine's server; nobody else may see it.
  const isLocal = url === local.url || isLoopback(new URL(url).hostname);
  return isLocal && local.apiKey ? { apiKey: local.apiKey } : {};
}

/** Whether a host of a URL is this machine for sure. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Runs a command with a client, and turns what the SDK throws into a sentence. */
export async function withSluice(
  context: CliContext,
  run: (sluice: Sluice, target: Target) => Promise<number>,
): Promise<number> {
  const target = await findTarget(context);
  const sluice = createSluice({ url: target.url, ...target.credentials });
  try {
    return await run(sluice, target);
  } catch (error) {
    if (error instanceof SluiceError) throw new CliError(sentenceOf(error, target));
    throw error;
  } finally {
    sluice.close();
  }
}
