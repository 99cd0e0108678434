import type { DescField, DescMessage, DescMethod } from "@bufbuild/protobuf";
import { fits, rulesOf } from "./rules.ts";

/** The kinds of objects that requests name. */
export type Resource = "api_key" | "delivery" | "document" | "job" | "pipeline" | "role" | "user" | "webhook";

/** Those that belong to somebody: to others they answer as unknown ones do. */
export const OWNED: ReadonlySet<Resource> = new Set(["api_key", "delivery", "document", "job", "webhook"]);

/** A field of a request that names an object. */
export interface IdField {
  readonly field: DescField;
  readonly resource: Resource;
  /** A field of the request itself, not of something within it. */
  readonly isDirect: boolean;
}

const BY_METHOD: readonly [pattern: RegExp, resource: Resource][] = [
  [/ApiKey/, "api_key"],
  [/Delivery|Redeliver/, "delivery"],
  [/Webhook/, "webhook"],
  [/Job/, "job"],
  [/Document/, "document"],
  [/Pipeline/, "pipeline"],
  [/User/, "user"],
  [/Role/, "role"],
];
const BY_FIELD: Readonly<Record<string, Resource>> = {
  document_id: "document",
  job_id: "job",
  pipeline_id: "pipeline",
  user_id: "user",
  webhook_id: "webhook",
};
/** Named like ids of objects, and none: a caller's own word, and what a filter looks for in a column. */
const NO_IDS = new Set(["request_id", "resource_id"]);

/**
 * Every field of the method's request that names an object.
 * @throws Error for a field of which it is not known what it names
 */
export function idFieldsOf(method: DescMethod): IdField[] {
  return within(method, method.input, true, new Set());
}

function within(method: DescMethod, desc: DescMessage, isDirect: boolean, seen: Set<DescMessage>): IdField[] {
  if (seen.has(desc)) return [];
  seen.add(desc);
  return desc.fields.flatMap((field) => {
    if (field.message?.typeName.startsWith("sluice.")) return within(method, field.message, false, seen);
    const resource = resourceOf(method, field, isDirect);
    return resource ? [{ field, resource, isDirect }] : [];
  });
}

function resourceOf(method: DescMethod, field: DescField, isDirect: boolean): Resource | undefined {
  const { name } = field;
  if (NO_IDS.has(name)) return undefined;
  const isKey = isDirect && (name === "id" || (name === "name" && identifies(method, field)));
  const known = isKey ? BY_METHOD.find(([pattern]) => pattern.test(method.name))?.[1] : BY_FIELD[name];
  if (!known && (isKey || /_ids?$/.test(name))) {
    throw new Error(
      `${method.parent.name}.${method.name}: it is not known what ${name} names; say so in test/support/contract/ids.ts and let makers.ts make one.`,
    );
  }
  return known;
}

/** A name by which an object that exists is found, as roles are. */
function identifies(method: DescMethod, field: DescField): boolean {
  const { type } = rulesOf(field) ?? {};
  return (
    !method.name.startsWith("Create") &&
    type?.case === "string" &&
    !fits(type.value, "") &&
    !method.input.field.id
  );
}
