import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { WebhookEventSchema } from "../../gen/sluice/v1/webhooks_pb.ts";

type Schema = { [key: string]: Json };
type Json = string | number | boolean | null | Json[] | Schema;

/** JSON Schema (2020-12) of a body with this type of event, from its message and the rules of JSON in Protobuf. */
export function bodySchema(eventType: string): Schema {
  const subject = eventType.startsWith("job.") ? "job" : "webhook";
  const properties = propertiesOf(WebhookEventSchema);
  delete properties[subject === "job" ? "webhook" : "job"];
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: eventType,
    type: "object",
    properties: { ...properties, type: { const: eventType }, version: { const: "v1" } },
    required: ["type", "version", "time", subject],
  };
}

function propertiesOf(message: DescMessage): Schema {
  return Object.fromEntries(message.fields.map((field) => [field.jsonName, schemaOf(field)]));
}

function schemaOf(field: DescField): Schema {
  if (field.fieldKind === "enum") return { type: "string", enum: field.enum.values.map(({ name }) => name) };
  if (field.fieldKind === "message") {
    if (field.message.typeName === "google.protobuf.Timestamp") return { type: "string", format: "date-time" };
    return { type: "object", properties: propertiesOf(field.message) };
  }
  if (field.fieldKind === "scalar" && field.scalar === ScalarType.INT32) return { type: "integer" };
  return { type: "string" };
}
