import { toJson } from "@bufbuild/protobuf";
import { type Sluice, type User, UserSchema } from "@sluice/sdk";
import { type Command, Option } from "commander";
import { withSluice } from "./connect.ts";
import { type CliContext, CliError } from "./context.ts";
import { timeOf } from "./job-text.ts";
import { jsonOption } from "./options.ts";
import { write, writeJson } from "./output.ts";
import { allOf } from "./pages.ts";
import { createPrompts } from "./prompt.ts";
import { readNewSecret } from "./secret.ts";
import { clean, table } from "./text.ts";

type Run = (action: () => Promise<number>) => Promise<void>;
interface Json {
  readonly json?: boolean;
}

const WHO: [name: string, description: string] = ["<user>", "e-mail address or id"];
const ROLES = "roles: viewer, developer, operator, auditor, admin, or your own";

export function registerUsers(program: Command, context: CliContext, run: Run): void {
  const act = (action: (sluice: Sluice) => Promise<number>) => run(() => withSluice(context, action));
  const users = program.command("users").description("keep users and service accounts");
  users
    .command("list")
    .description("list users, newest first")
    .option("--query <text>", "part of the e-mail address or the name", "")
    .option("--role <name>", "only those with this role", "")
    .addOption(new Option("--active", "only those that are active").conflicts("disabled"))
    .option("--disabled", "only those that are disabled")
    .addOption(jsonOption())
    .action((options: ListOptions) => act((sluice) => list(sluice, context, options)));
  users
    .command("get")
    .description("show a user")
    .argument(...WHO)
    .addOption(jsonOption())
    .action((who: string, { json }: Json) =>
      act(async (sluice) => await show(context, await findUser(sluice, who), json)),
    );
  users
    .command("create")
    .description("create a user with a first password, or a service account, which has none")
    .argument("<email>")
    .requiredOption("--role <name...>", ROLES)
    .option("--name <name>", "name of the user, for people", "")
    .addOption(
      new Option("--service", "a service account: it calls with API keys only").conflicts([
        "passwordFile",
        "generatePassword",
      ]),
    )
    .addOption(
      new Option(
        "--password-file <file>",
        "file whose first line is the password; - reads it from stdin",
      ).conflicts("generatePassword"),
    )
    .option("--generate-password", "make a password and print it, once")
    .addOption(jsonOption())
    .addHelpText(
      "after",
      `
The password is asked for on a terminal, and read from stdin when that is none.

Examples:
  $ ${context.programName} users create me@example.com --role developer
  $ ${context.programName} users create ci@example.com --role developer --service`,
    )
    .action((email: string, options: CreateOptions) =>
      act((sluice) => create(sluice, context, email, options)),
    );
  users
    .command("update")
    .description("change a user's name or roles; what is not given stays")
    .argument(...WHO)
    .option("--role <name...>", `all ${ROLES}`)
    .option("--name <name>", "name of the user, for people")
    .addOption(jsonOption())
    .action((who: string, { role: roles = [], name: displayName, json }: UpdateOptions) =>
      act(async (sluice) => {
        if (roles.length === 0 && displayName === undefined)
          throw new CliError("Say what to change: --role or --name.", 2);
        const change = { roles, ...(displayName === undefined ? {} : { displayName }) };
        return await show(context, await update(sluice, who, change), json);
      }),
    );
  for (const [verb, isActive, description] of SWITCHES) {
    users
      .command(verb)
      .description(description)
      .argument(...WHO)
      .addOption(jsonOption())
      .action((who: string, { json }: Json) =>
        act(async (sluice) => {
          const user = await update(sluice, who, { isActive });
          if (json) return await show(context, user, json);
          await write(context.io.stdout, `${clean(nameOf(user))} is ${isActive ? "enabled" : "disabled"}.\n`);
          return 0;
        }),
      );
  }
  users
    .command("reset-password")
    .description("give somebody else a new password and end all of their sessions; API keys stay")
    .argument(...WHO)
    .option(
      "--password-file <file>",
      "file whose first line is the new password; - asks for it, or reads it from stdin (default: one is made and printed, once)",
    )
    .action((who: string, options: { passwordFile?: string }) =>
      act((sluice) => resetPassword(sluice, context, who, options)),
    );
}

const SWITCHES: readonly [verb: string, isActive: boolean, description: string][] = [
  ["disable", false, "refuse every credential of a user, API keys too, and end all sessions"],
  ["enable", true, "let a user in again"],
];

interface ListOptions extends Json {
  readonly query: string;
  readonly role: string;
  readonly active?: boolean;
  readonly disabled?: boolean;
}

interface CreateOptions extends Json {
  readonly role: string[];
  readonly name: string;
  readonly service?: boolean;
  readonly passwordFile?: string;
  readonly generatePassword?: boolean;
}

interface UpdateOptions extends Json {
  readonly role?: string[];
  readonly name?: string;
}

const isUserId = (who: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(who);

/** What to call a user in a sentence; one of an external issuer has no e-mail address. */
function nameOf({ email, subject, issuer }: User): string {
  return email || `${subject} of ${issuer}`;
}

/** By id or, in any case, by e-mail address. @throws CliError if there is none */
export async function findUser(sluice: Sluice, who: string): Promise<User> {
  if (isUserId(who)) {
    const { user } = await sluice.auth.getUser({ id: who });
    if (user) return user;
  }
  const email = who.trim().normalize("NFC").toLowerCase();
  const found = await usersLike(sluice, { query: email });
  const user = found.find((one) => one.email !== "" && one.email === email);
  if (!user) throw new CliError(`There is no user ${clean(who)}.`);
  return user;
}

/** An id needs no look at users, which not everybody may take who may use it; empty stays empty. */
export async function userIdOf(sluice: Sluice, who = ""): Promise<string> {
  return who === "" || isUserId(who) ? who : (await findUser(sluice, who)).id;
}

async function usersLike(
  sluice: Sluice,
  filter: { query: string; role?: string; isActive?: boolean },
): Promise<User[]> {
  return await allOf(async (page) => {
    const { users: found, nextPageToken } = await sluice.auth.listUsers({ ...filter, ...page });
    return { found, nextPageToken };
  });
}

async function list(
  sluice: Sluice,
  { io: { stdout } }: CliContext,
  { query, role, active, disabled, json }: ListOptions,
): Promise<number> {
  const isActive = active ? { isActive: true } : disabled ? { isActive: false } : {};
  const found = await usersLike(sluice, { query, role, ...isActive });
  if (json) {
    for (const user of found) await writeJson(stdout, toJson(UserSchema, user));
    return 0;
  }
  const rows = found.map((user) => [
    user.id,
    nameOf(user),
    user.roles.join(","),
    user.isActive ? "yes" : "no",
    timeOf(user.lastLoginTime) || "never",
    user.isServiceAccount ? `(service account) ${user.displayName}` : user.displayName,
  ]);
  const columns = ["ID", "EMAIL", "ROLES", "ACTIVE", "LAST LOGIN", "NAME"];
  await write(stdout, table(columns, rows, stdout.isTTY ? stdout.columns : undefined));
  return 0;
}

async function create(
  sluice: Sluice,
  context: CliContext,
  email: string,
  { role: roles, name: displayName, service = false, passwordFile, generatePassword, json }: CreateOptions,
): Promise<number> {
  const { stdout } = context.io;
  const generated = generatePassword ? makePassword() : undefined;
  const password = service ? "" : (generated ?? (await askNew(context, passwordFile ?? "-")));
  const wanted = { email, displayName, roles, password, isServiceAccount: service };
  const { user } = await sluice.auth.createUser(wanted);
  if (!user) throw new CliError("The answer has no user.");
  if (json) {
    const shown = toJson(UserSchema, user) as object;
    await writeJson(stdout, { ...shown, ...(generated && { generatedPassword: generated }) });
    return 0;
  }
  const kind = service ? "the service account " : "";
  await write(
    stdout,
    `Created ${kind}${clean(user.email)} with the roles ${user.roles.map(clean).join(", ")}.\n`,
  );
  if (service) {
    const make = `${context.programName} api-keys create NAME --user ${clean(user.email)} --permission …`;
    await write(stdout, `It has no key yet: ${make}\n`);
  }
  if (generated) await write(stdout, `Password, shown once: ${generated}\n`);
  return 0;
}

async function update(
  sluice: Sluice,
  who: string,
  change: { roles?: string[]; displayName?: string; isActive?: boolean },
): Promise<User> {
  const { id, version } = await findUser(sluice, who);
  // Somebody else's change meanwhile is not overwritten.
  const { user } = await sluice.auth.updateUser({ id, expectedVersion: version, ...change });
  if (!user) throw new CliError("The answer has no user.");
  return user;
}

async function resetPassword(
  sluice: Sluice,
  context: CliContext,
  who: string,
  { passwordFile }: { readonly passwordFile?: string },
): Promise<number> {
  const { id: userId, email } = await findUser(sluice, who);
  const newPassword = passwordFile === undefined ? "" : await askNew(context, passwordFile);
  const { generatedPassword } = await sluice.auth.resetPassword({ userId, newPassword });
  context.io.stderr.write(`All sessions of ${clean(email)} have ended; API keys go on.\n`);
  if (generatedPassword) await write(context.io.stdout, `${generatedPassword}\n`);
  return 0;
}

async function show({ io: { stdout } }: CliContext, user: User, json?: boolean): Promise<number> {
  if (json) {
    await writeJson(stdout, toJson(UserSchema, user));
    return 0;
  }
  const lines: [string, string][] = [
    ["Id", user.id],
    ["E-mail", user.email],
    ["Issuer", user.issuer],
    ["Subject", user.subject],
    ["Name", user.displayName],
    ["Kind", user.isServiceAccount ? "service account" : "person"],
    ["Roles", user.roles.join(", ")],
    ["Active", user.isActive ? "yes" : "no"],
    ["Password", user.mustChangePassword ? "chosen by somebody else; to be changed" : ""],
    ["Version", String(user.version)],
    ["Created", timeOf(user.createTime)],
    ["Changed", timeOf(user.updateTime)],
    ["Last login", timeOf(user.lastLoginTime) || "never"],
  ];
  for (const [name, value] of lines) if (value) await write(stdout, `${name.padEnd(12)}${clean(value)}\n`);
  return 0;
}

async function askNew({ io }: CliContext, file: string): Promise<string> {
  const prompts = createPrompts(io);
  try {
    return await readNewSecret(io, file, prompts);
  } finally {
    prompts.close();
  }
}

/** 24 characters, 144 bits. */
function makePassword(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(18))).toString("base64url");
}
