import { readFileSync, writeFileSync } from "node:fs";
import { type DescMethod, getOption } from "@bufbuild/protobuf";
import { access } from "../../../gen/sluice/v1/access_pb.ts";
import { AuditService } from "../../../gen/sluice/v1/audit_pb.ts";
import { AuthService } from "../../../gen/sluice/v1/auth_pb.ts";
import { JobsService } from "../../../gen/sluice/v1/jobs_pb.ts";
import { PipelinesService } from "../../../gen/sluice/v1/pipelines_pb.ts";
import { SystemService } from "../../../gen/sluice/v1/system_pb.ts";
import { WebhooksService } from "../../../gen/sluice/v1/webhooks_pb.ts";
import { ALL_PERMISSIONS, BUILTIN_ROLES } from "../../../src/auth/permissions.ts";

// proto/PERMISSIONS.md says who may call what: it must be what contract and built-in roles say. With --write it is
// written (`npm run generate`).

const FILE = new URL("../../../proto/PERMISSIONS.md", import.meta.url);
const SERVICES = [JobsService, PipelinesService, AuthService, AuditService, WebhooksService, SystemService];

const known = new Set(ALL_PERMISSIONS);
const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [row(head), row(head.map(() => "---")), ...rows.map(row)].join("\n");

function rpcRow(method: DescMethod): string[] {
  const { rule } = getOption(method, access);
  if (rule.case !== "permission") return [`\`${method.name}\``, "none", `open to anybody: ${rule.value}`];
  const reach = known.has(`${rule.value}:any`)
    ? "own; everybody's with `:any`"
    : rule.value.startsWith("account:")
      ? "the caller itself"
      : "all";
  return [`\`${method.name}\``, `\`${rule.value}\``, reach];
}

/** What a role may do with a permission. */
function reachOf(role: readonly string[], permission: string): string {
  if (role.includes(`${permission}:any`)) return "all";
  if (!role.includes(permission)) return "";
  return known.has(`${permission}:any`) ? "own" : "yes";
}

const own = ALL_PERMISSIONS.filter((permission) => !permission.endsWith(":any"));
const roles = [...BUILTIN_ROLES];
const text = `# Permissions

Written by \`npm run generate\` from the \`(sluice.v1.access)\` options of the contract and the built-in roles; a check
compares it. A permission is \`resource:verb\`. Where objects have owners it reaches the caller's own, and
\`resource:verb:any\` everybody's, which includes the caller's own.

## Roles

What a user may do is what all of their roles give together. A custom role (\`CreateRole\`) is any set of these
permissions that its maker holds. An API key may do what it was given, as far as its owner may do it when it is used.

${table(
  ["Permission", ...roles.map(([name]) => `\`${name}\``)],
  own.map((permission) => [
    `\`${permission}\``,
    ...roles.map(([, { permissions }]) => reachOf(permissions, permission)),
  ]),
)}

${roles.map(([name, { description }]) => `- \`${name}\`: ${description}`).join("\n")}

## RPCs

${SERVICES.map(({ name, methods }) => `### ${name}\n\n${table(["RPC", "Permission", "Reaches"], methods.map(rpcRow))}`).join("\n\n")}
`;

if (process.argv.includes("--write")) writeFileSync(FILE, text);
else if (readFileSync(FILE, "utf8") !== text) {
  process.stdout.write(
    "proto/PERMISSIONS.md is not what contract and roles say: run `npm run generate` and commit it.\n",
  );
  process.exitCode = 1;
}
