import { create, type DescMessage, fromBinary, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { file_sluice_v1_auth, LoginRequestSchema } from "../../../gen/sluice/v1/auth_pb.ts";
import {
  CreateJobRequestSchema,
  file_sluice_v1_jobs,
  JobStatus,
  ListJobsRequestSchema,
} from "../../../gen/sluice/v1/jobs_pb.ts";
import {
  CreatePipelineRequestSchema,
  file_sluice_v1_pipelines,
} from "../../../gen/sluice/v1/pipelines_pb.ts";
import { CreateWebhookRequestSchema, file_sluice_v1_webhooks } from "../../../gen/sluice/v1/webhooks_pb.ts";
import { redactMessage, treatmentOf } from "../../../src/rpc/redaction.ts";

const SECRET = "s3cr3t-canary";

test("what is marked as a secret is told as set and no more, at every depth and in maps", () => {
  const told = [
    redactMessage(LoginRequestSchema, create(LoginRequestSchema, { email: "a@b.c", password: SECRET })),
    redactMessage(CreateJobRequestSchema, create(CreateJobRequestSchema, { password: SECRET })),
    redactMessage(
      CreatePipelineRequestSchema,
      create(CreatePipelineRequestSchema, {
        config: { stages: [{ type: { case: "extract", value: { password: SECRET } } }] },
      }),
    ),
    redactMessage(
      CreateWebhookRequestSchema,
      create(CreateWebhookRequestSchema, { headers: { authorization: SECRET } }),
    ),
  ];
  expect(JSON.stringify(told)).not.toContain(SECRET);
  expect(told[0]).toEqual({ email: "[redacted]", password: "[redacted]" });
  expect(told[2]).toEqual({ config: { stages: [{ extract: { password: "[redacted]" } }] } });
});

test("bytes are told as their number and hash, maps and free structs as their keys, enums by name, instants as text", () => {
  const message = create(CreateJobRequestSchema, {
    source: { case: "inline", value: { data: Buffer.from("abc"), filename: "a.txt" } },
    labels: { [SECRET.slice(0, 2)]: SECRET },
    parameters: { model: SECRET, depth: 3 },
    priority: 1,
    runTime: { seconds: 0n, nanos: 0 },
    timeout: { seconds: 90n, nanos: 0 },
  });
  expect(redactMessage(CreateJobRequestSchema, message)).toEqual({
    inline: {
      data: { bytes: 3, sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
      filename: "a.txt",
    },
    labels: { keys: ["s3"] },
    parameters: { keys: ["model", "depth"] },
    priority: "JOB_PRIORITY_HIGH",
    run_time: "1970-01-01T00:00:00Z",
    timeout: "90s",
  });
});

test("what is not set, and fields that the contract does not have, are left out", () => {
  const login = toBinary(LoginRequestSchema, create(LoginRequestSchema, { email: "a@b.c" }));
  const unknown = Buffer.concat([login, Buffer.from([0xfa, 0x3e, SECRET.length]), Buffer.from(SECRET)]);
  const told = redactMessage(LoginRequestSchema, fromBinary(LoginRequestSchema, unknown));
  expect(told).toEqual({ email: "[redacted]" });
});

test("of a long list the first twenty are told, and how many there are more", () => {
  const statuses = Array.from({ length: 30 }, () => JobStatus.CREATED);
  const told = redactMessage(ListJobsRequestSchema, create(ListJobsRequestSchema, { statuses }));
  expect(told.statuses).toHaveLength(21);
  expect((told.statuses as string[]).at(-1)).toBe("… 10 more");
});

test("an instant that is none is told as that, and fails nothing", () => {
  const message = create(CreateJobRequestSchema, { runTime: { seconds: 10n ** 15n, nanos: -1 } });
  expect(redactMessage(CreateJobRequestSchema, message).run_time).toBe("[out of range]");
});

test("every field of the contract that is marked is a secret to the audit log", () => {
  const files = [file_sluice_v1_auth, file_sluice_v1_jobs, file_sluice_v1_pipelines, file_sluice_v1_webhooks];
  const nested = (message: DescMessage): DescMessage[] => [
    message,
    ...message.nestedMessages.flatMap(nested),
  ];
  const fields = files.flatMap((file) => file.messages.flatMap(nested)).flatMap((message) => message.fields);
  const marked = fields.filter((field) => field.proto.options?.debugRedact);
  expect(marked.length).toBeGreaterThan(15);
  expect(marked.filter((field) => treatmentOf(field) !== "secret")).toEqual([]);
});
