import { type DescField, type DescOneof, getOption, hasOption } from "@bufbuild/protobuf";
import {
  type FieldRules,
  Ignore,
  field as rulesOfField,
  oneof as rulesOfOneof,
  type StringRules,
} from "../../../gen/buf/validate/validate_pb.ts";

/** The rules of the contract that a field has. */
export function rulesOf(field: DescField): FieldRules | undefined {
  return hasOption(field, rulesOfField) ? getOption(field, rulesOfField) : undefined;
}

export function isRequired(oneof: DescOneof): boolean {
  return hasOption(oneof, rulesOfOneof) && getOption(oneof, rulesOfOneof).required;
}

/** A request without the field is refused. */
export function isNeeded(field: DescField): boolean {
  const rules = rulesOf(field);
  if (!rules || field.oneof) return false;
  if (rules.required) return true;
  if (rules.ignore !== Ignore.UNSPECIFIED) return false;
  if (rules.type.case === "string") return !fits(rules.type.value, "");
  return rules.type.case === "repeated" && rules.type.value.minItems > 0n;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The text keeps the rules; those that the contract does not use are not known here. */
export function fits(rules: StringRules | undefined, text: string): boolean {
  if (!rules) return true;
  const { minLen, maxLen, pattern, wellKnown } = rules;
  if (text.length < minLen || (maxLen > 0n && text.length > maxLen)) return false;
  if (pattern && !new RegExp(pattern).test(text)) return false;
  switch (wellKnown.case) {
    case "uuid":
      return UUID.test(text);
    case "email":
      return /^[^@\s]+@[^@\s]+\.[a-z]+$/.test(text);
    case "ip":
      return /^\d+\.\d+\.\d+\.\d+$/.test(text);
    default:
      return true;
  }
}
