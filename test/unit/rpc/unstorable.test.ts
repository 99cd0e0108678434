import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { UpdateRoleRequestSchema } from "../../../gen/sluice/v1/auth_pb.ts";
import {
  BatchCancelJobsRequestSchema,
  BatchCreateJobsRequestSchema,
  CreateJobRequestSchema,
} from "../../../gen/sluice/v1/jobs_pb.ts";
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

test("a time that is none, as only binary messages can hold it, is refused with the name of its field", () => {
  const source = { case: "text" as const, value: "x" };
  const first = { seconds: -62_135_596_800n, nanos: 0 };
  const last = { seconds: 253_402_300_799n, nanos: 999_999_999 };
  for (const runTime of [first, last]) expect(faultsOf({ source, runTime })).toEqual([]);
  for (const runTime of [
    { seconds: first.seconds - 1n, nanos: 0 },
    { seconds: last.seconds + 1n, nanos: 0 },
    { seconds: 2n ** 63n - 1n, nanos: 0 },
    { seconds: 0n, nanos: -1 },
    { seconds: 0n, nanos: 1_000_000_000 },
  ]) {
    expect(faultsOf({ source, runTime })).toEqual(["run_time"]);
    const cancel = create(BatchCancelJobsRequestSchema, { filter: { createdBefore: runTime } });
    const faults = validator.faults(BatchCancelJobsRequestSchema, cancel).map(({ field }) => field);
    expect(faults).toEqual(["filter.created_before"]);
  }
});
