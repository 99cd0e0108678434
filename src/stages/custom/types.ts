import { Ajv2020, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js";
import type { StageType } from "../catalogue.ts";
import { StageOptionsError } from "../stage.ts";

/** What a module says of one of its stages. */
export interface CustomStageFacts {
  /** The module. */
  readonly file: string;
  readonly name: string;
  readonly version: number;
  readonly description: string;
  /** JSON Schema, draft 2020-12; without one there are no options. */
  readonly optionsSchema: { readonly [key: string]: unknown } | undefined;
}

/** A module with stages cannot be used. */
export class CustomStagesError extends Error {
  override name = "CustomStagesError";
}

const NO_OPTIONS = { type: "object", additionalProperties: false };

/**
 * The types of stages that modules have, with their options checked by their schemas. The code of the modules does not run
 * in this process.
 * @throws CustomStagesError when a schema is none
 */
export function customStageTypes(stages: readonly CustomStageFacts[]): StageType[] {
  return stages.map(({ file, name, version, description, optionsSchema = NO_OPTIONS }) => {
    const validate = compile(file, name, optionsSchema);
    return {
      type: name,
      version,
      description,
      optionsSchema: () => ({ ...optionsSchema }),
      parseOptions(raw) {
        // A copy: what is left out gets its default in it.
        const options: unknown = structuredClone(raw ?? {});
        if (validate(options)) return options;
        throw new StageOptionsError((validate.errors ?? []).map(faultOf));
      },
    };
  });
}

function compile(file: string, name: string, schema: object): ValidateFunction {
  try {
    return new Ajv2020({ allErrors: true, useDefaults: true, strict: false, validateFormats: false }).compile(
      schema,
    );
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CustomStagesError(
      `${file}: the optionsSchema of stage ${name} is no JSON Schema (draft 2020-12): ${why}.`,
    );
  }
}

function faultOf({ instancePath, keyword, params, message }: ErrorObject): {
  field: string;
  description: string;
} {
  const path = instancePath
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  const { additionalProperty, missingProperty, allowedValues } = params as {
    additionalProperty?: string;
    missingProperty?: string;
    allowedValues?: unknown[];
  };
  const own =
    keyword === "additionalProperties"
      ? additionalProperty
      : keyword === "required"
        ? missingProperty
        : undefined;
  const field = [...path, ...(own === undefined ? [] : [own])].join(".");
  if (keyword === "additionalProperties") return { field, description: "This stage has no such option." };
  if (keyword === "required") return { field, description: "Is required." };
  const values =
    allowedValues === undefined ? "" : `: ${allowedValues.map((value) => JSON.stringify(value)).join(", ")}`;
  return {
    field,
    description: `${(message ?? "is not valid").replace(/^./, (first) => first.toUpperCase())}${values}.`,
  };
}
