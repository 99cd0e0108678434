import { toJson } from "@bufbuild/protobuf";
import {
  type CreatePipelineRequest,
  type Pipeline,
  PipelineFaultSchema,
  PipelineSchema,
  type Sluice,
  SluiceError,
} from "@sluice/sdk";
import type { Command } from "commander";
import { withSluice } from "./connect.ts";
import { type CliContext, CliError } from "./context.ts";
import { timeOf } from "./job-text.ts";
import { lineDiff } from "./line-diff.ts";
import { integer, jsonOption } from "./options.ts";
import { write, writeJson } from "./output.ts";
import { allOf } from "./pages.ts";
import { pipelineText, readPipelineFile } from "./pipeline-file.ts";
import { clean, cleanText, table } from "./text.ts";

type Run = (action: () => Promise<number>) => Promise<void>;
interface Json {
  readonly json?: boolean;
}

const MAX_VERSION = 2_147_483_647;

export function registerPipelines(program: Command, context: CliContext, run: Run): void {
  const act = (action: (sluice: Sluice) => Promise<number>) => run(() => withSluice(context, action));
  const pipelines = program.command("pipelines").description("show, create, change and delete pipelines");
  pipelines
    .command("apply")
    .description("create the pipeline that a YAML or JSON file defines, or make a new version of it")
    .argument("<file>", "the definition")
    .option("--dry-run", "show what would change, and change nothing")
    .addOption(jsonOption())
    .action((file: string, options: ApplyOptions) => act((sluice) => apply(sluice, context, file, options)));
  pipelines
    .command("validate")
    .description("look for every fault of the definition in a file, and store nothing")
    .argument("<file>", "the definition")
    .addOption(jsonOption())
    .action((file: string, { json }: Json) =>
      act(async (sluice) => {
        const request = await readPipelineFile(file);
        if (await showFaults(sluice, context, file, request, json)) return 1;
        if (!json) await write(context.io.stdout, `${clean(file)} has no fault.\n`);
        return 0;
      }),
    );
  pipelines
    .command("list")
    .description("list pipelines")
    .addOption(jsonOption())
    .action(({ json }: Json) =>
      act(
        async (sluice) =>
          await showAll(
            context,
            await allOf(async (page) => {
              const { pipelines: found, nextPageToken } = await sluice.pipelines.listPipelines(page);
              return { found, nextPageToken };
            }),
            "NAME",
            json,
          ),
      ),
    );
  pipelines
    .command("get")
    .description("print a pipeline as a file that `apply` takes; secrets are left out")
    .argument("<name>", "name or id")
    .option("--version <number>", "an older version", integer(1, MAX_VERSION), 0)
    .addOption(jsonOption())
    .action((name: string, { version, json }: Json & { version: number }) =>
      act(async (sluice) => {
        const pipeline = await find(sluice, name, version);
        const { stdout } = context.io;
        if (json) await writeJson(stdout, toJson(PipelineSchema, pipeline));
        else await write(stdout, `# Version ${pipeline.version}\n${cleanText(pipelineText(pipeline))}`);
        return 0;
      }),
    );
  pipelines
    .command("versions")
    .description("list the versions of a pipeline, newest first")
    .argument("<name>", "name or id")
    .addOption(jsonOption())
    .action((name: string, { json }: Json) =>
      act(async (sluice) => {
        const { id } = await find(sluice, name);
        const all = await allOf(async (page) => {
          const { versions: found, nextPageToken } = await sluice.pipelines.listPipelineVersions({
            id,
            ...page,
          });
          return { found, nextPageToken };
        });
        return await showAll(context, all, "MADE", json);
      }),
    );
  pipelines
    .command("delete")
    .description("delete a pipeline; jobs that exist run it to their end")
    .argument("<name>", "name or id")
    .addOption(jsonOption())
    .action((name: string, { json }: Json) =>
      act(async (sluice) => {
        const { id, version, name: known } = await find(sluice, name);
        await sluice.pipelines.deletePipeline({ id, expectedVersion: version });
        const { stdout } = context.io;
        if (json) await writeJson(stdout, { action: "deleted", id, name: known, version });
        else await write(stdout, `${clean(known)} is deleted.\n`);
        return 0;
      }),
    );
}

interface ApplyOptions extends Json {
  readonly dryRun?: boolean;
}

async function apply(
  sluice: Sluice,
  context: CliContext,
  file: string,
  { dryRun = false, json }: ApplyOptions,
): Promise<number> {
  const { stdout } = context.io;
  const request = await readPipelineFile(file);
  if (!request.name) throw new CliError(`${file}: it must hold the \`name\` of the pipeline.`);
  if (await showFaults(sluice, context, file, request, json)) return 1;
  const before = await findOrNone(sluice, request.name);
  const isActive = request.isActive ?? before?.isActive ?? true;
  const diff = lineDiff(before ? pipelineText(before) : "", pipelineText({ ...request, isActive }));
  const action = diff.length === 0 ? "unchanged" : before ? "updated" : "created";
  const after = dryRun || action === "unchanged" ? before : await send(sluice, request, before);
  if (json) {
    const pipeline = after ? { pipeline: toJson(PipelineSchema, after) } : {};
    await writeJson(stdout, { action, dryRun, diff, ...pipeline });
    return 0;
  }
  if (diff.length > 0) await write(stdout, `${diff.map(cleanText).join("\n")}\n\n`);
  const name = clean(request.name);
  const next = (before?.version ?? 0) + 1;
  if (action === "unchanged") await write(stdout, `${name} is as the file says, at version ${next - 1}.\n`);
  else if (dryRun)
    await write(stdout, `${name} would be ${action}, at version ${next}. Nothing was changed.\n`);
  else await write(stdout, `${name} is ${action}, at version ${after?.version ?? next}.\n`);
  return 0;
}

/** Somebody else's change meanwhile is not overwritten. */
async function send(
  sluice: Sluice,
  { name, description, config, isActive }: CreatePipelineRequest,
  before: Pipeline | null,
): Promise<Pipeline | null> {
  const wanted = { description, ...(config && { config }), ...(isActive === undefined ? {} : { isActive }) };
  const { pipeline = null } = before
    ? await sluice.pipelines.updatePipeline({ id: before.id, expectedVersion: before.version, ...wanted })
    : await sluice.pipelines.createPipeline({ name, ...wanted });
  return pipeline;
}

/** Prints every fault; true if there is one. */
async function showFaults(
  sluice: Sluice,
  { io: { stdout, stderr } }: CliContext,
  file: string,
  { config }: CreatePipelineRequest,
  json?: boolean,
): Promise<boolean> {
  const { faults } = await sluice.pipelines.validatePipeline(config ? { config } : {});
  for (const fault of faults) {
    if (json) await writeJson(stdout, toJson(PipelineFaultSchema, fault));
    else stderr.write(`${clean(`${file}: ${fault.field.replace(/^config\./, "")}: ${fault.description}`)}\n`);
  }
  return faults.length > 0;
}

async function find(sluice: Sluice, name: string, version = 0): Promise<Pipeline> {
  const isId = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(name);
  const { pipeline } = await sluice.pipelines.getPipeline({ ...(isId ? { id: name } : { name }), version });
  if (!pipeline) throw new CliError("The answer has no pipeline.");
  return pipeline;
}

async function findOrNone(sluice: Sluice, name: string): Promise<Pipeline | null> {
  try {
    const { pipeline = null } = await sluice.pipelines.getPipeline({ name });
    return pipeline;
  } catch (error) {
    if (error instanceof SluiceError && error.reason === "PIPELINE_NOT_FOUND") return null;
    throw error;
  }
}

async function showAll(
  { io: { stdout } }: CliContext,
  found: readonly Pipeline[],
  first: "NAME" | "MADE",
  json?: boolean,
): Promise<number> {
  if (json) {
    for (const pipeline of found) await writeJson(stdout, toJson(PipelineSchema, pipeline));
    return 0;
  }
  const rows = found.map(({ name, version, isActive, config, description, updateTime }) => [
    first === "NAME" ? name : timeOf(updateTime),
    String(version),
    isActive ? "yes" : "no",
    (config?.stages ?? []).map((stage) => stage.name).join(" > "),
    description,
  ]);
  const columns = [first, "VERSION", "ACTIVE", "STAGES", "DESCRIPTION"];
  await write(stdout, table(columns, rows, stdout.isTTY ? stdout.columns : undefined));
  return 0;
}
