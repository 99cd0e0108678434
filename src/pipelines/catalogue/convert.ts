import {
  type DescEnum,
  type DescField,
  type DescMessage,
  getOption,
  hasOption,
  isFieldSet,
  type JsonObject,
  type MessageInitShape,
  ScalarType,
} from "@bufbuild/protobuf";
import { FieldOptionsSchema } from "@bufbuild/protobuf/wkt";
import { type FieldRules, field as fieldRules } from "../../../gen/buf/validate/validate_pb.ts";
import { StageSchema, type StageTypeSchema } from "../../../gen/sluice/v1/pipelines_pb.ts";
import type { StageCatalogue } from "../../stages/catalogue.ts";

/** A type of stage, with JSON Schema of the options as callers write them in the JSON form of the contract. */
export function stageTypeToMessage(
  stage: ReturnType<StageCatalogue["list"]>[number],
): MessageInitShape<typeof StageTypeSchema> {
  const own = stage.optionsSchema?.() as JsonObject | undefined;
  return {
    name: stage.type,
    description: stage.description,
    optionsSchema: stage.isCustom ? (own ?? {}) : builtInSchema(stage.type, own),
    isCustom: stage.isCustom,
    version: stage.version,
  };
}

function builtInSchema(type: string, own: JsonObject = {}): JsonObject {
  const options = StageSchema.oneofs[0]?.fields.find(({ name }) => name === type)?.message;
  if (!options) throw new Error(`the contract has no stage ${type}`);
  const schema = messageSchema(options);
  // What an option is unless it is given, where that can be said: of the others the contract's comment tells it.
  const known = (own.properties ?? {}) as { [name: string]: { default?: unknown } };
  for (const [name, property] of Object.entries(schema.properties)) {
    const fallback = known[name]?.default;
    if (typeof fallback === "boolean") property.default = fallback;
  }
  return { $schema: "https://json-schema.org/draft/2020-12/schema", ...schema };
}

function messageSchema(message: DescMessage) {
  const properties: { [name: string]: JsonObject } = {};
  for (const field of message.fields) properties[field.name] = fieldSchema(field);
  return { type: "object", properties, additionalProperties: false };
}

function fieldSchema(field: DescField): JsonObject {
  const rules = hasOption(field, fieldRules) ? getOption(field, fieldRules) : undefined;
  const options = field.proto.options;
  const secret = options && isFieldSet(options, FieldOptionsSchema.field.debugRedact) && options.debugRedact;
  return { ...typeSchema(field, rules), ...(secret ? { writeOnly: true } : {}) };
}

function typeSchema(field: DescField, rules: FieldRules | undefined): JsonObject {
  const type = rules?.type;
  switch (field.fieldKind) {
    case "list": {
      const bounds = type?.case === "repeated" ? type.value : undefined;
      const items =
        field.listKind === "enum" ? enumSchema(field.enum) : scalarSchema(itemType(field), bounds?.items);
      return {
        type: "array",
        items,
        ...(bounds?.maxItems ? { maxItems: Number(bounds.maxItems) } : {}),
        ...(bounds?.unique ? { uniqueItems: true } : {}),
      };
    }
    case "map": {
      const bounds = type?.case === "map" ? type.value : undefined;
      return {
        type: "object",
        additionalProperties: scalarSchema(ScalarType.DOUBLE, bounds?.values),
        ...(bounds?.maxPairs ? { maxProperties: Number(bounds.maxPairs) } : {}),
      };
    }
    case "enum":
      return enumSchema(field.enum);
    case "message":
      if (field.message.typeName === "google.protobuf.Duration")
        return { type: "string", pattern: "^[0-9]+(\\.[0-9]{1,9})?s$" };
      return { type: "object" };
    case "scalar":
      return scalarSchema(field.scalar, rules);
  }
}

function itemType(field: DescField & { fieldKind: "list" }): ScalarType {
  return field.listKind === "scalar" ? field.scalar : ScalarType.STRING;
}

function enumSchema({ values }: DescEnum): JsonObject {
  return { type: "string", enum: values.filter(({ number }) => number !== 0).map(({ name }) => name) };
}

function scalarSchema(scalar: ScalarType, rules: FieldRules | undefined): JsonObject {
  const type = rules?.type;
  switch (scalar) {
    case ScalarType.BOOL:
      return { type: "boolean" };
    case ScalarType.STRING: {
      const bounds = type?.case === "string" ? type.value : undefined;
      return {
        type: "string",
        ...(bounds?.minLen ? { minLength: Number(bounds.minLen) } : {}),
        ...(bounds?.maxLen ? { maxLength: Number(bounds.maxLen) } : {}),
        ...(bounds?.pattern ? { pattern: bounds.pattern } : {}),
      };
    }
    // The JSON form of 64 bits is a string; a number is taken too.
    case ScalarType.INT64:
      return { type: ["integer", "string"], ...boundsOf(rules) };
    default:
      return { type: scalar === ScalarType.DOUBLE ? "number" : "integer", ...boundsOf(rules) };
  }
}

function boundsOf(rules: FieldRules | undefined): JsonObject {
  const type = rules?.type;
  if (type?.case !== "int32" && type?.case !== "int64" && type?.case !== "double") return {};
  const { greaterThan, lessThan } = type.value;
  return {
    ...(greaterThan.case === "gte" ? { minimum: Number(greaterThan.value) } : {}),
    ...(lessThan.case === "lte" ? { maximum: Number(lessThan.value) } : {}),
  };
}
