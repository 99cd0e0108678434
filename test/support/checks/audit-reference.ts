import { readFileSync, writeFileSync } from "node:fs";
import type { DescMessage, DescMethod } from "@bufbuild/protobuf";
import { file_sluice_v1_audit } from "../../../gen/sluice/v1/audit_pb.ts";
import { file_sluice_v1_auth } from "../../../gen/sluice/v1/auth_pb.ts";
import { file_sluice_v1_jobs } from "../../../gen/sluice/v1/jobs_pb.ts";
import { file_sluice_v1_pipelines } from "../../../gen/sluice/v1/pipelines_pb.ts";
import { file_sluice_v1_system } from "../../../gen/sluice/v1/system_pb.ts";
import { file_sluice_v1_webhooks } from "../../../gen/sluice/v1/webhooks_pb.ts";
import { actionOf } from "../../../src/rpc/actions.ts";
import { type Treatment, treatmentOf } from "../../../src/rpc/redaction.ts";

// `--write` makes the reference of the audit log from the contract; without it, the file must hold exactly that.

const FILE = new URL("../../../proto/AUDIT.md", import.meta.url);
const SERVICES = [
  file_sluice_v1_jobs,
  file_sluice_v1_pipelines,
  file_sluice_v1_auth,
  file_sluice_v1_audit,
  file_sluice_v1_webhooks,
  file_sluice_v1_system,
].flatMap(({ services }) => services);
const HEAD = `# What calls leave in the audit log

Written by \`npm run generate\` from the contract; never edit it by hand. Each call leaves one row; a server stream that begins
leaves one more, for its end. Calls of \`grpc.health.v1\` leave none. Of the request everything that is set stands in
\`request_details\`, under the names of the contract, save for page tokens and what the last column names: secrets as \`[redacted]\`,
bytes as their number and SHA-256, maps and free structs as their keys. Texts are cut at 256 characters, lists at 20 items, URLs lose userinfo and
query, and the whole has 8 KiB at most.

Beside the rows of calls there are \`rpc.unknown\` (a method that the contract does not have), \`rpc.flood\` (the number of further
calls in a minute without a caller, from one address, or beyond the rate of one user), \`audit.gap\` (the number of rows that were lost, and when), one row for each job that a batch
changes, and rows of the service itself, whose \`method\` is empty.
`;

/** The paths of a request's fields that are not told as they are sent, by what is done to them. */
function treated(desc: DescMessage, path = "", seen: readonly string[] = []): Map<Treatment, string[]> {
  const found = new Map<Treatment, string[]>();
  const add = (treatment: Treatment, paths: readonly string[]) =>
    found.set(treatment, [...(found.get(treatment) ?? []), ...paths]);
  for (const field of desc.fields) {
    const name = `${path}${field.name}`;
    const treatment = treatmentOf(field);
    if (treatment !== "message") add(treatment, [name]);
    else if (field.message && !seen.includes(field.message.typeName)) {
      const inner = treated(field.message, `${name}.`, [...seen, desc.typeName]);
      for (const [kind, paths] of inner) add(kind, paths);
    }
  }
  return found;
}

function row(method: DescMethod): string {
  const { action, resourceType, idFrom } = actionOf(method);
  const fields = treated(method.input);
  const cell = (kind: Treatment, words: string) => {
    const paths = fields.get(kind) ?? [];
    return paths.length > 0 ? [`${words} ${paths.map((path) => `\`${path}\``).join(", ")}`] : [];
  };
  const special = [
    ...cell("secret", "redacted:"),
    ...cell("digest", "size and hash:"),
    ...cell("keys", "keys:"),
  ];
  const code = (text: string) => (text ? `\`${text}\`` : "");
  return `| ${method.name} | ${code(action)} | ${code(resourceType)} | ${idFrom} | ${special.join("; ")} |`;
}

const sections = SERVICES.map(({ name, methods }) =>
  [
    `\n## ${name}\n`,
    "| RPC | `action` | `resource_type` | `resource_id` | not as sent |",
    "|---|---|---|---|---|",
    ...methods.map(row),
    "",
  ].join("\n"),
);
const reference = `${HEAD}${sections.join("")}`;

if (process.argv.includes("--write")) writeFileSync(FILE, reference);
else if (readFileSync(FILE, "utf8") !== reference) {
  process.stdout.write(
    "proto/AUDIT.md is not what the contract says: run `npm run generate` and commit it.\n",
  );
  process.exitCode = 1;
}
