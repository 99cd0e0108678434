import { toJson } from "@bufbuild/protobuf";
import { timestampDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type ApiKey, ApiKeySchema, type Sluice } from "@sluice/sdk";
import type { Command } from "commander";
import { withSluice } from "./connect.ts";
import { type CliContext, CliError } from "./context.ts";
import { timeOf } from "./job-text.ts";
import { integer, jsonOption } from "./options.ts";
import { write, writeJson } from "./output.ts";
import { allOf } from "./pages.ts";
import { clean, table } from "./text.ts";
import { userIdOf } from "./users.ts";

type Run = (action: () => Promise<number>) => Promise<void>;
interface Json {
  readonly json?: boolean;
}

const DAY_MS = 86_400_000;

export function registerApiKeys(program: Command, context: CliContext, run: Run): void {
  const act = (action: (sluice: Sluice) => Promise<number>) => run(() => withSluice(context, action));
  const { stdout } = context.io;
  const keys = program.command("api-keys").description("keep API keys: yours, and those of service accounts");
  keys
    .command("list")
    .description("list API keys, newest first: yours, or everybody's if you may see them")
    .option("--user <user>", "only those of this user: e-mail address or id")
    .option("--all", "also those that are revoked or over", false)
    .addOption(jsonOption())
    .action((options: ListOptions) => act((sluice) => list(sluice, context, options)));
  keys
    .command("create")
    .description("create an API key and print it, once")
    .argument("<name>", "what it is for")
    .requiredOption("--permission <permission...>", "what it may do: jobs:create, results:read …")
    .option("--user <user>", "the service account whose key it is: e-mail address or id (default: you)")
    .option("--days <n>", "how long it lives, in days (default: 90)", integer(1, 365))
    .addOption(jsonOption())
    .addHelpText(
      "after",
      `\nExample:\n  $ ${context.programName} api-keys create ci --user ci@example.com --permission jobs:create jobs:read results:read > key`,
    )
    .action((name: string, options: CreateOptions) =>
      act((sluice) => create(sluice, context, name, options)),
    );
  keys
    .command("revoke")
    .description("revoke an API key for ever, and the keys that were made with it")
    .argument("<id>", "as `list` shows it")
    .option("--keep-made-keys", "leave the keys that were made with it", false)
    .addOption(jsonOption())
    .action((id: string, { keepMadeKeys, json }: RevokeOptions) =>
      act(async (sluice) => {
        const { apiKey } = await sluice.auth.revokeApiKey({ id, keepMadeKeys });
        if (!apiKey) throw new CliError("The answer has no key.");
        if (json) await writeJson(stdout, toJson(ApiKeySchema, apiKey));
        else await write(stdout, `The key ${clean(apiKey.name)} (${apiKey.id}) is revoked.\n`);
        return 0;
      }),
    );
}

interface ListOptions extends Json {
  readonly user?: string;
  readonly all: boolean;
}

interface RevokeOptions extends Json {
  readonly keepMadeKeys: boolean;
}

interface CreateOptions extends Json {
  readonly permission: string[];
  readonly user?: string;
  readonly days?: number;
}

async function list(
  sluice: Sluice,
  { io: { stdout } }: CliContext,
  { user, all: includeInactive, json }: ListOptions,
): Promise<number> {
  const userId = await userIdOf(sluice, user);
  const found = await allOf(async (page) => {
    const { apiKeys, nextPageToken } = await sluice.auth.listApiKeys({ userId, includeInactive, ...page });
    return { found: apiKeys, nextPageToken };
  });
  if (json) {
    for (const key of found) await writeJson(stdout, toJson(ApiKeySchema, key));
    return 0;
  }
  const rows = found.map((key) => [
    key.id,
    key.name,
    stateOf(key),
    timeOf(key.expireTime),
    timeOf(key.lastUsedTime) || "never",
    key.userId,
    key.permissions.join(","),
  ]);
  const columns = ["ID", "NAME", "STATE", "ENDS", "LAST USED", "USER", "PERMISSIONS"];
  await write(stdout, table(columns, rows, stdout.isTTY ? stdout.columns : undefined));
  return 0;
}

function stateOf({ revokeTime, expireTime }: ApiKey): string {
  if (revokeTime) return "revoked";
  return expireTime && timestampDate(expireTime).getTime() <= Date.now() ? "over" : "good";
}

async function create(
  sluice: Sluice,
  { io: { stdout, stderr } }: CliContext,
  name: string,
  { permission: permissions, user, days, json }: CreateOptions,
): Promise<number> {
  const { apiKey, secret } = await sluice.auth.createApiKey({
    name,
    permissions,
    userId: await userIdOf(sluice, user),
    ...(days === undefined ? {} : { expireTime: timestampFromMs(Date.now() + days * DAY_MS) }),
  });
  if (!apiKey || !secret) throw new CliError("The answer has no key.");
  if (json) {
    await writeJson(stdout, { ...(toJson(ApiKeySchema, apiKey) as object), secret });
    return 0;
  }
  stderr.write(`The key ${clean(apiKey.name)} ends ${timeOf(apiKey.expireTime)}. It is shown only here:\n`);
  await write(stdout, `${secret}\n`);
  return 0;
}
