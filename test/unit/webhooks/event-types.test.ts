import { fromJson } from "@bufbuild/protobuf";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, test } from "vitest";
import { WebhookEventSchema } from "../../../gen/sluice/v1/webhooks_pb.ts";
import { eventTypeToMessage } from "../../../src/webhooks/convert.ts";
import { disabledPayload, EVENT_TYPES, namesAny, testPayload } from "../../../src/webhooks/event-types.ts";

test("every example is an event of the contract, and as its schema says", () => {
  const ajv = new Ajv2020({ strict: true, formats: { "date-time": true } });
  expect(EVENT_TYPES.map(({ name }) => name)).toEqual(EVENT_TYPES.map(({ name }) => name).sort());
  for (const type of EVENT_TYPES) {
    const { type: name } = fromJson(WebhookEventSchema, type.example as never);
    expect(name).toBe(type.name);
    const validate = ajv.compile(eventTypeToMessage(type).schema as object);
    expect(validate(type.example), JSON.stringify(validate.errors)).toBe(true);
    expect(validate({ ...type.example, type: "job.unknown" })).toBe(false);
  }
});

test("what the service itself posts is as its type says", () => {
  const time = new Date("2026-01-15T09:30:00Z");
  const id = "0199d2a0-11aa-7c55-8e0d-2f9b7a6c3d21";
  for (const body of [testPayload(id, time), disabledPayload(id, "gone", time)]) {
    const { subject } = fromJson(WebhookEventSchema, JSON.parse(body));
    expect(subject).toMatchObject({ case: "webhook", value: { id } });
  }
});

test("patterns name a type, all of a kind, or all", () => {
  expect(["*", "job.*", "webhook.*", "job.failed"].filter(namesAny)).toHaveLength(4);
  expect(["job.fail", "jobs.*", "job.*.x", "document.*", ""].filter(namesAny)).toEqual([]);
});
