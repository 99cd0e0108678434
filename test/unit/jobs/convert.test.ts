import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { CreateJobRequestSchema } from "../../../gen/sluice/v1/jobs_pb.ts";
import { jobRequestFromMessage } from "../../../src/jobs/convert.ts";
import { InvalidRequestError } from "../../../src/lib/errors.ts";

const NOW = 1_700_000_000_000;
const text = { case: "text", value: "hello" } as const;

function faultsOf(work: () => unknown): string[] {
  try {
    work();
  } catch (error) {
    if (error instanceof InvalidRequestError) return (error.extras.fields ?? []).map(({ field }) => field);
    throw error;
  }
  return [];
}

test("parameters with text that Postgres does not store are refused", () => {
  const parameters = { deep: [{ text: "x\0y" }] };
  const message = create(CreateJobRequestSchema, { source: text, parameters });
  expect(faultsOf(() => jobRequestFromMessage(message, NOW))).toEqual(["parameters"]);
});

test("a backslash before u0000 is a text like any other", () => {
  const parameters = { pattern: "\\u0000", path: "C:\\ud800" };
  const message = create(CreateJobRequestSchema, { source: text, parameters });
  expect(jobRequestFromMessage(message, NOW).parameters).toEqual(parameters);
});

test("a run_time that has passed means at once, so that the same request stays the same", () => {
  const message = create(CreateJobRequestSchema, { source: text, runTime: { seconds: 1n, nanos: 0 } });
  expect(jobRequestFromMessage(message, NOW).runTime).toBeNull();
});

test("times beyond their bounds are refused: a run_time over a year ahead, a timeout below 1 s or above 24 h", () => {
  const far = create(CreateJobRequestSchema, {
    source: text,
    runTime: { seconds: 253_402_300_799n, nanos: 0 },
  });
  expect(faultsOf(() => jobRequestFromMessage(far, NOW))).toEqual(["run_time"]);
  for (const seconds of [0n, 86_401n, 315_576_000_000n]) {
    const message = create(CreateJobRequestSchema, { source: text, timeout: { seconds, nanos: 0 } });
    expect(faultsOf(() => jobRequestFromMessage(message, NOW))).toEqual(["timeout"]);
  }
});
