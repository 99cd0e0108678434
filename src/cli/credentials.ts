import { chmod, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { SessionTokens } from "@sluice/sdk";

/** What `sluice login` got from one server: an API key, or tokens where it may not make one. */
export interface StoredLogin {
  readonly email: string;
  readonly apiKey?: string;
  readonly apiKeyId?: string;
  readonly tokens?: SessionTokens;
}

type Logins = Record<string, StoredLogin>;

const fileIn = (configDir: string) => join(configDir, "credentials.json");

/** What is stored for the server at `url`, if anything. */
export async function readLogin(configDir: string, url: string): Promise<StoredLogin | undefined> {
  return (await readAll(configDir))[new URL(url).origin];
}

/** Stores it for that server only; `undefined` forgets it. The file is its owner's alone, and whole or not there. */
export async function writeLogin(
  configDir: string,
  url: string,
  login: StoredLogin | undefined,
): Promise<string> {
  await mkdir(configDir, { recursive: true, mode: 0o700 });
  const { [new URL(url).origin]: _, ...others } = await readAll(configDir);
  const servers: Logins = login ? { ...others, [new URL(url).origin]: login } : others;
  const draft = `${fileIn(configDir)}.${process.pid}`;
  await writeFile(draft, `${JSON.stringify({ servers }, null, 2)}\n`, { mode: 0o600 });
  await chmod(draft, 0o600);
  await rename(draft, fileIn(configDir));
  return fileIn(configDir);
}

async function readAll(configDir: string): Promise<Logins> {
  try {
    const parsed = JSON.parse(await readFile(fileIn(configDir), "utf8")) as { servers?: Logins };
    return parsed.servers ?? {};
  } catch {
    return {};
  }
}

/** The URL that a server on this machine wrote down, and the key it made for its owner. */
export async function readLocal(dataDir: string): Promise<{ url?: string; apiKey?: string }> {
  const [server, key] = await Promise.all([
    readFile(join(dataDir, "server.json"), "utf8").catch(() => ""),
    readFile(join(dataDir, "local-api-key"), "utf8").catch(() => ""),
  ]);
  const apiKey = key.trim();
  let url: unknown;
  try {
    url = (JSON.parse(server) as { url?: unknown }).url;
  } catch {
    url = undefined;
  }
  return { ...(typeof url === "string" && { url }), ...(apiKey && { apiKey }) };
}
