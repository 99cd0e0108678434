import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { PipelineConfigSchema } from "../../../gen/sluice/v1/pipelines_pb.ts";
import { configFromMessage } from "../../../src/pipelines/convert.ts";
import { definitionFaults } from "../../../src/pipelines/definition.ts";
import { createRequestValidator } from "../../../src/rpc/validation.ts";
import { createStageCatalogue } from "../../../src/stages/catalogue.ts";
import { StageOptionsError } from "../../../src/stages/stage.ts";

const validator = createRequestValidator();

/** Knows a type `stamp` of the operator's, whose option `ink` is wanted. */
export const catalogue = createStageCatalogue({
  custom: [
    {
      type: "stamp",
      version: 1,
      description: "Stamps.",
      optionsSchema: () => ({ type: "object", required: ["ink"] }),
      parseOptions(raw) {
        if (!(raw as { ink?: unknown }).ink)
          throw new StageOptionsError([{ field: "ink", description: "Is wanted." }]);
        return raw;
      },
    },
  ],
});

/** The stages of a definition in the JSON form of the contract. */
export const read = (stages: JsonValue[]) =>
  configFromMessage(fromJson(PipelineConfigSchema, { stages }), validator);

/** All its faults, as `field: description`. */
export function faultsOf(stages: JsonValue[]): string[] {
  const { stages: drafts, faults } = read(stages);
  return [...faults, ...definitionFaults(drafts, catalogue)].map(
    ({ field, description }) => `${field}: ${description}`,
  );
}

/** The fields of its faults, each once, sorted. */
export const faultyFields = (stages: JsonValue[]): string[] =>
  [...new Set(faultsOf(stages).map((fault) => fault.split(": ")[0] ?? ""))].sort();
