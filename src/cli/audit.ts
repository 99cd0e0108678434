import { toJson } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  AuditExportFormat,
  AuditFaultSchema,
  type AuditFilter,
  type AuditLog,
  AuditLogSchema,
  type Sluice,
  VerifyAuditLogResponseSchema,
} from "@sluice/sdk";
import { type Command, Option } from "commander";
import { withSluice } from "./connect.ts";
import { type CliContext, CliError, type Output } from "./context.ts";
import { isThere, problemOf, save } from "./files.ts";
import { timeOf } from "./job-text.ts";
import { instant, integer, jsonOption } from "./options.ts";
import { write, writeJson } from "./output.ts";
import type { ServerCommands } from "./server-commands.ts";
import { clean, table } from "./text.ts";
import { userIdOf } from "./users.ts";

const FORMATS = { ndjson: AuditExportFormat.NDJSON, csv: AuditExportFormat.CSV };

interface FilterOptions {
  readonly since?: Date;
  readonly until?: Date;
  readonly user?: string;
  readonly action?: string;
  readonly resourceType?: string;
  readonly resource?: string;
  readonly failed?: boolean;
  readonly succeeded?: boolean;
  readonly ip?: string;
}

export function registerAudit(
  program: Command,
  context: CliContext,
  { verifyAuditFile }: Pick<ServerCommands, "verifyAuditFile">,
  run: (action: () => Promise<number>) => Promise<void>,
): void {
  const { io, programName } = context;
  const audit = program.command("audit").description("show, export and verify the record of who did what");
  const act = (action: (sluice: Sluice) => Promise<number>) => run(() => withSluice(context, action));

  withFilter(audit.command("list").description("list entries, newest first"))
    .option("--limit <n>", "at most so many", integer(1, 100_000), 50)
    .addOption(jsonOption())
    .addHelpText(
      "after",
      `\nExamples:\n  $ ${programName} audit list --action jobs.delete --since 2026-11-01\n  $ ${programName} audit list --failed --json`,
    )
    .action((options: FilterOptions & { limit: number; json?: boolean }) =>
      act((sluice) => list(sluice, io.stdout, io.stderr, options)),
    );
  withFilter(audit.command("export").description("write all entries to a file, oldest first"))
    .addOption(
      new Option("--format <format>", "format of the file").choices(Object.keys(FORMATS)).default("ndjson"),
    )
    .option("--output <file>", "where to; without it, to standard output")
    .addHelpText(
      "after",
      `\nNDJSON without a filter other than times can be verified entry by entry, without a server:\n  $ ${programName} audit export --output audit.ndjson\n  $ ${programName} audit verify audit.ndjson --key audit-key.pem`,
    )
    .action((options: FilterOptions & { format: keyof typeof FORMATS; output?: string }) =>
      act((sluice) => exportTo(sluice, io.stdout, options)),
    );
  audit
    .command("verify")
    .description(
      "look for entries that were changed, removed, added or cut off; exit code 0 only if there are none, and the range is not empty",
    )
    .argument("[file]", "an NDJSON export, verified without a server; without it the server verifies its log")
    .option("--key <file>", "public key of the server that made the export, as `audit key` prints it")
    .option("--from <sequence>", "begin with this number of the chain", integer(1, Number.MAX_SAFE_INTEGER))
    .option("--to <sequence>", "end with this number", integer(1, Number.MAX_SAFE_INTEGER))
    .addOption(jsonOption())
    .action((file: string | undefined, options: VerifyOptions) => {
      const { key, from = 0, to = 0, json = false } = options;
      if (file !== undefined && (from || to)) {
        throw new CliError("--from and --to are for the log of a server; a file is verified as a whole.", 2);
      }
      if (to && from > to) throw new CliError("--from must not be above --to.", 2);
      if (file === undefined && key) throw new CliError("--key is for files: the server knows its own.", 2);
      if (file !== undefined) {
        return run(async () => {
          for (const path of [file, ...(key ? [key] : [])]) {
            const problem = await problemOf(path);
            if (problem) throw new CliError(`${path} cannot be read: ${problem}.`);
          }
          return await verifyAuditFile({ file, keyFile: key ?? null, json });
        });
      }
      return act((sluice) => verify(sluice, io.stdout, { from, to, json }));
    });
  audit
    .command("key")
    .description("print the public key that exports are verified with")
    .action(() =>
      act(async (sluice) => {
        const { publicKey, fingerprint } = await sluice.audit.getAuditKey({});
        io.stderr.write(`SHA-256 ${clean(fingerprint)}\n`);
        await write(io.stdout, publicKey);
        return 0;
      }),
    );
}

interface VerifyOptions {
  readonly key?: string;
  readonly from?: number;
  readonly to?: number;
  readonly json?: boolean;
}

function withFilter(command: Command): Command {
  return command
    .option("--since <time>", "at this time or later, e.g. 2026-11-01 or 2026-11-01T12:00:00Z", instant)
    .option("--until <time>", "before this time", instant)
    .option("--user <user>", "by this user: e-mail address or id")
    .option("--action <action>", "this action, e.g. jobs.create")
    .option("--resource-type <type>", "done to this kind of thing, e.g. job")
    .option("--resource <id>", "done to this thing")
    .addOption(new Option("--failed", "only what was refused or failed").conflicts("succeeded"))
    .option("--succeeded", "only what was done")
    .option("--ip <address>", "from this address");
}

async function filterOf(sluice: Sluice, options: FilterOptions): Promise<AuditFilter> {
  const { since, until, user, action, resourceType, resource, failed, succeeded, ip } = options;
  return {
    ...(since && { startTime: timestampFromDate(since) }),
    ...(until && { endTime: timestampFromDate(until) }),
    ...(user && { userId: await userIdOf(sluice, user) }),
    ...(action && { action }),
    ...(resourceType && { resourceType }),
    ...(resource && { resourceId: resource }),
    ...((failed || succeeded) && { success: succeeded === true }),
    ...(ip && { ipAddress: ip }),
  };
}

async function list(
  sluice: Sluice,
  stdout: Output,
  stderr: Output,
  options: FilterOptions & { limit: number; json?: boolean },
): Promise<number> {
  const { limit, json } = options;
  const found: AuditLog[] = [];
  let count = 0;
  const filter = { ...(await filterOf(sluice, options)), pageSize: Math.min(500, limit) };
  for await (const entry of sluice.audit.list(filter)) {
    if (json) await writeJson(stdout, toJson(AuditLogSchema, entry));
    else found.push(entry);
    if (++count >= limit) break;
  }
  if (json) return 0;
  if (found.length === 0) {
    stderr.write("No entries.\n");
    return 0;
  }
  const rows = found.map((entry) => [
    timeOf(entry.timestamp),
    entry.action,
    entry.success ? "ok" : "failed",
    [entry.resourceType, entry.resourceId].filter(Boolean).join(" "),
    // In brackets what a client says of itself, which anybody can say.
    entry.userId || `(${entry.userAgent || "nobody known"})`,
    entry.ipAddress,
    entry.errorMessage,
  ]);
  const columns = ["TIME", "ACTION", "RESULT", "RESOURCE", "BY", "FROM", "ERROR"];
  await write(stdout, table(columns, rows, stdout.isTTY ? stdout.columns : undefined));
  return 0;
}

async function exportTo(
  sluice: Sluice,
  stdout: Output,
  { format, output, ...filter }: FilterOptions & { format: keyof typeof FORMATS; output?: string },
): Promise<number> {
  // What was exported before may be all that tells what has been changed since.
  if (output !== undefined && (await isThere(output)))
    throw new CliError(`${output} is there already: name another file, or remove it.`);
  const content = sluice.audit.export({ ...(await filterOf(sluice, filter)), format: FORMATS[format] });
  if (output === undefined) {
    for await (const chunk of content) await write(stdout, chunk);
    return 0;
  }
  await save(content, output, 0o600);
  return 0;
}

async function verify(
  sluice: Sluice,
  stdout: Output,
  { from, to, json }: { from: number; to: number; json: boolean },
): Promise<number> {
  const range = { startSequence: BigInt(from), endSequence: BigInt(to) };
  const verdict = await sluice.audit.verifyAuditLog(range, { timeoutMs: 0 });
  if (json) {
    await writeJson(stdout, toJson(VerifyAuditLogResponseSchema, verdict, { alwaysEmitImplicit: true }));
  } else {
    const fault = verdict.ok ? "" : `${AuditFaultSchema.value[verdict.fault]?.localName ?? "BROKEN"}: `;
    await write(stdout, `${fault}${clean(verdict.message)}\n`);
    if (verdict.firstBrokenId) await write(stdout, `Its id: ${clean(verdict.firstBrokenId)}\n`);
  }
  // Who names entries that are not there must not take the answer for their being sound.
  const isEmpty = (from > 0 || to > 0) && verdict.lastSequence === 0n;
  return verdict.ok && !isEmpty ? 0 : 1;
}
