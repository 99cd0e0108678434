import { toJson } from "@bufbuild/protobuf";
import { type Role, RoleSchema, type Sluice } from "@sluice/sdk";
import type { Command } from "commander";
import { withSluice } from "./connect.ts";
import { type CliContext, CliError } from "./context.ts";
import { jsonOption } from "./options.ts";
import { write, writeJson } from "./output.ts";
import { allOf } from "./pages.ts";
import { clean, table } from "./text.ts";

type Run = (action: () => Promise<number>) => Promise<void>;
interface Json {
  readonly json?: boolean;
}
interface Definition extends Json {
  readonly permission?: string[];
  readonly description?: string;
}

export function registerRoles(program: Command, context: CliContext, run: Run): void {
  const act = (action: (sluice: Sluice) => Promise<number>) => run(() => withSluice(context, action));
  const { stdout } = context.io;
  const roles = program.command("roles").description("keep roles: named sets of permissions");
  roles
    .command("list")
    .description("list roles: the built-in ones, then the others, newest first")
    .addOption(jsonOption())
    .action(({ json }: Json) => act((sluice) => list(sluice, context, json)));
  roles
    .command("get")
    .description("print the permissions of a role, one a line")
    .argument("<name>")
    .addOption(jsonOption())
    .action((name: string, { json }: Json) =>
      act(async (sluice) => {
        const role = await findRole(sluice, name);
        if (json) await writeJson(stdout, toJson(RoleSchema, role));
        else await write(stdout, role.permissions.map((permission) => `${clean(permission)}\n`).join(""));
        return 0;
      }),
    );
  roles
    .command("create")
    .description("create a role; it can hold what you hold, and nothing more")
    .argument("<name>")
    .requiredOption("--permission <permission...>", "what it may do: jobs:read, jobs:read:any …")
    .option("--description <text>", "what it is for, for people", "")
    .addOption(jsonOption())
    .addHelpText(
      "after",
      `\nExample:\n  $ ${context.programName} roles create watcher --permission jobs:read:any results:read:any account:read`,
    )
    .action((name: string, { permission: permissions = [], description = "", json }: Definition) =>
      act(async (sluice) => {
        const { role } = await sluice.auth.createRole({ name, permissions, description });
        return await tell(context, "created", role, json);
      }),
    );
  roles
    .command("update")
    .description("change a role for all who have it; what is not given stays")
    .argument("<name>")
    .option("--permission <permission...>", "all that it may do from now on")
    .option("--description <text>", "what it is for, for people")
    .addOption(jsonOption())
    .action((name: string, { permission, description, json }: Definition) =>
      act(async (sluice) => {
        if (permission === undefined && description === undefined)
          throw new CliError("Say what to change: --permission or --description.", 2);
        const before = await findRole(sluice, name);
        // Somebody else's change meanwhile is not overwritten.
        const { role } = await sluice.auth.updateRole({
          name,
          expectedVersion: before.version,
          permissions: permission ?? before.permissions,
          description: description ?? before.description,
        });
        return await tell(context, "changed", role, json);
      }),
    );
  roles
    .command("delete")
    .description("delete a role that nobody has")
    .argument("<name>")
    .addOption(jsonOption())
    .action((name: string, { json }: Json) =>
      act(async (sluice) => {
        await sluice.auth.deleteRole({ name });
        if (json) await writeJson(stdout, { action: "deleted", name });
        else await write(stdout, `The role ${clean(name)} is deleted.\n`);
        return 0;
      }),
    );
}

async function allRoles(sluice: Sluice): Promise<Role[]> {
  return await allOf(async (page) => {
    const { roles: found, nextPageToken } = await sluice.auth.listRoles(page);
    return { found, nextPageToken };
  });
}

async function findRole(sluice: Sluice, name: string): Promise<Role> {
  const role = (await allRoles(sluice)).find((one) => one.name === name);
  if (!role) throw new CliError(`There is no role ${clean(name)}.`);
  return role;
}

async function list(sluice: Sluice, { io: { stdout } }: CliContext, json?: boolean): Promise<number> {
  const all = await allRoles(sluice);
  if (json) {
    for (const role of all) await writeJson(stdout, toJson(RoleSchema, role));
    return 0;
  }
  const rows = all.map(({ name, isBuiltin, permissions, description }) => [
    name,
    isBuiltin ? "built-in" : "custom",
    String(permissions.length),
    description,
  ]);
  const columns = ["NAME", "KIND", "PERMISSIONS", "DESCRIPTION"];
  await write(stdout, table(columns, rows, stdout.isTTY ? stdout.columns : undefined));
  return 0;
}

async function tell(
  { io: { stdout } }: CliContext,
  what: "created" | "changed",
  role: Role | undefined,
  json?: boolean,
): Promise<number> {
  if (!role) throw new CliError("The answer has no role.");
  if (json) await writeJson(stdout, toJson(RoleSchema, role));
  else await write(stdout, `The role ${clean(role.name)} is ${what}, at version ${role.version}.\n`);
  return 0;
}
