import { toJson } from "@bufbuild/protobuf";
import { type Format, JobResultSchema } from "@sluice/sdk";
import type { Command } from "commander";
import { withSluice } from "./connect.ts";
import type { CliContext } from "./context.ts";
import { jobId, jsonOption, outputOption } from "./options.ts";
import { copy, writeJson } from "./output.ts";

export function registerResult(
  program: Command,
  context: CliContext,
  run: (a: () => Promise<number>) => Promise<void>,
): void {
  program
    .command("result")
    .description("print the result of a completed job")
    .argument("<id>", "the job", jobId(context.programName))
    .addOption(outputOption())
    .addOption(jsonOption().conflicts("output"))
    .addHelpText(
      "after",
      `\n--json prints what is known about the result; --output prints its content.\n\nExample:\n  $ ${context.programName} result 0198c000-… --output markdown > report.md`,
    )
    .action((id: string, { output, json }: { output: Format; json?: boolean }) =>
      run(() =>
        withSluice(context, async (sluice) => {
          if (json) await writeJson(context.io.stdout, toJson(JobResultSchema, await sluice.jobs.result(id)));
          else await copy(sluice.jobs.download(id, { format: output }), context.io.stdout);
          return 0;
        }),
      ),
    );
}
