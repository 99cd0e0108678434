import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { UpdateRoleRequestSchema } from "../../../gen/sluice/v1/auth_pb.ts";
import { BatchCreateJobsRequestSchema, CreateJobRequestSchema } from "../../../gen/sluice/v1/jobs_pb.ts";
import { createRequestValidator } from "../../../src/rpc/validation.ts";

const validator = createRequestValidator();
const faultsOf = (init: MessageInitShape<typeof CreateJobRequestSchema>) =>
  validator.faults(CreateJobRequestSchema, create(CreateJobRequestSchema, init)).map(({ field }) => field);

test("every text that Postgres does not store is refused with the name of its field, all at once", () => {
  const source = { data: new Uint8Array(1), filename: "a\0", mediaType: "text/\0" };
  const faults = faultsOf({
    source: { case: "inline", value: source },
    filename: "a\ud800b",
    labels: { "k\0": "v" },
    requestId: "\0",
    concurrencyKey: "\0",
  });
  expect(faults.sort()).toEqual([
    "concurrency_key",
    "filename",
    "inline.filename",
    "inline.media_type",
    "labels",
    "request_id",
  ]);
  expect(faultsOf({ source: { case: "text", value: "x" }, labels: { k: "\udc00" } })).toEqual(["labels"]);
  const role = create(UpdateRoleRequestSchema, { name: "a", description: "\0", permissions: ["jobs:read"] });
  expect(validator.faults(UpdateRoleRequestSchema, role).map(({ field }) => field)).toEqual(["description"]);
});

test("a document's own text may hold anything, and the jobs of a batch are looked at one by one", () => {
  expect(faultsOf({ source: { case: "text", value: "a\0b" } })).toEqual([]);
  const job = { source: { case: "text" as const, value: "x" }, filename: "\0" };
  const batch = create(BatchCreateJobsRequestSchema, { requests: [job] });
  expect(validator.faults(BatchCreateJobsRequestSchema, batch)).toEqual([]);
});
