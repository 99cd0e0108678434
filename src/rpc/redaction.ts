import { hash } from "node:crypto";
import { type DescField, type DescMessage, type Message, ScalarType, toJson } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { DurationSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";
import type { Json } from "../lib/json.ts";

/** Stands for a secret. */
export const REDACTED = "[redacted]";
/** Items of a list that are told. */
const MAX_ITEMS = 20;
const MAX_KEYS = 50;
/** A text that is longer will be cut anyway. */
const MAX_CHARS = 4096;

/** How a field of a request is told in the audit log. */
export type Treatment = "secret" | "digest" | "keys" | "value" | "message";

/** By the descriptor alone, so that a field cannot be forgotten. */
export function treatmentOf(field: DescField): Treatment {
  if (field.proto.options?.debugRedact) return "secret";
  if (field.fieldKind === "map") return "keys";
  if (field.message) return isFree(field.message) ? "keys" : isValue(field.message) ? "value" : "message";
  return field.scalar === ScalarType.BYTES ? "digest" : "value";
}

/**
 * A message as it may be written down, under the names of the contract: secrets as `[redacted]`, bytes as their number
 * and SHA-256, of maps and free structs the keys alone, and only what is set. Fields that the contract does not have are
 * left out. Lengths are cut roughly; who stores it cuts it to size.
 */
export function redactMessage(desc: DescMessage, message: Message): { [key: string]: Json } {
  return redacted(reflect(desc, message));
}

function redacted(message: ReflectMessage): { [key: string]: Json } {
  const clean: { [key: string]: Json } = {};
  for (const field of message.fields) {
    if (message.isSet(field)) clean[field.name] = fieldOf(message, field);
  }
  return clean;
}

function fieldOf(message: ReflectMessage, field: DescField): Json {
  const treatment = treatmentOf(field);
  if (treatment === "secret") return REDACTED;
  const value: unknown = message.get(field);
  if (field.fieldKind !== "list") return toldOf(field, treatment, value);
  const list = value as { readonly size: number } & Iterable<unknown>;
  const items: Json[] = [];
  for (const item of list) {
    if (items.length === MAX_ITEMS) {
      items.push(`… ${list.size - MAX_ITEMS} more`);
      break;
    }
    items.push(toldOf(field, treatment, item));
  }
  return items;
}

function toldOf(field: DescField, treatment: Treatment, value: unknown): Json {
  switch (treatment) {
    case "secret":
      return REDACTED;
    case "digest":
      return { bytes: (value as Uint8Array).length, sha256: hash("sha256", value as Uint8Array) };
    case "keys":
      return { keys: keysOf(field, value).slice(0, MAX_KEYS) };
    case "message":
      return redacted(value as ReflectMessage);
    case "value":
      return plainValue(field, value);
  }
}

function plainValue(field: DescField, value: unknown): Json {
  if (field.message) return wellKnown(value as ReflectMessage);
  if (field.enum) return field.enum.value[value as number]?.name ?? (value as number);
  if (typeof value === "bigint") return String(value);
  if (typeof value === "string") return value.slice(0, MAX_CHARS);
  return value as Json;
}

function keysOf(field: DescField, value: unknown): string[] {
  if (field.fieldKind === "map") return Array.from((value as Map<unknown, unknown>).keys(), String);
  const { fields } = (value as ReflectMessage).message as { fields?: object };
  return Object.keys(fields ?? {});
}

/** Holds whatever a caller puts into it. */
function isFree({ typeName }: DescMessage): boolean {
  return /^google\.protobuf\.(Struct|Value|ListValue|Any)$/.test(typeName);
}

function isValue({ typeName }: DescMessage): boolean {
  return typeName === TimestampSchema.typeName || typeName === DurationSchema.typeName;
}

function wellKnown({ desc, message }: ReflectMessage): Json {
  try {
    return toJson(desc, message) as Json;
  } catch {
    // No instant or duration at all; its rules refuse it.
    return "[out of range]";
  }
}
