import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  QuotaFailureSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from "../../../gen/google/rpc/error_details_pb.ts";
import { type ErrorExtras, InvalidRequestError, SluiceError } from "../../../src/lib/errors.ts";
import { toConnectError } from "../../../src/rpc/errors.ts";

class Busy extends SluiceError {
  readonly kind = "resource_exhausted";
  readonly reason = "QUOTA_EXCEEDED";
}

const convert = (error: unknown) => {
  const unexpected: unknown[] = [];
  const lost: unknown[] = [];
  const onUnexpected = (thrown: unknown) => unexpected.push(thrown);
  const onDatabaseLost = (thrown: unknown) => lost.push(thrown);
  return {
    answer: toConnectError(error, { requestId: "req-1", onUnexpected, onDatabaseLost }),
    unexpected,
    lost,
  };
};

test("an error of ours keeps its sentence, reason and metadata, and brings all its details", () => {
  const extras: ErrorExtras = {
    retryAfterMs: 1_500,
    resource: { type: "job", name: "j1" },
    quota: { subject: "jobs", description: "at most 10" },
  };
  const { answer, unexpected } = convert(new Busy("Too many jobs.", { limit: "10" }, extras));
  expect(answer).toMatchObject({ code: Code.ResourceExhausted, rawMessage: "Too many jobs." });
  expect(answer.findDetails(ErrorInfoSchema)[0]).toMatchObject({
    reason: "QUOTA_EXCEEDED",
    domain: "sluice",
    metadata: { limit: "10" },
  });
  expect(answer.findDetails(RetryInfoSchema)[0]?.retryDelay).toMatchObject({
    seconds: 1n,
    nanos: 500_000_000,
  });
  expect(answer.findDetails(ResourceInfoSchema)[0]).toMatchObject({
    resourceType: "job",
    resourceName: "j1",
  });
  expect(answer.findDetails(QuotaFailureSchema)[0]?.violations[0]).toMatchObject({ subject: "jobs" });
  expect(answer.metadata.get("retry-after")).toBe("2");
  expect(unexpected).toEqual([]);
});

test("an unexpected throw is written down and not told", () => {
  const thrown = new Error("password=hunter2");
  const { answer, unexpected } = convert(thrown);
  expect(answer.rawMessage).toBe("internal error (request id req-1)");
  expect(answer.findDetails(ErrorInfoSchema)[0]?.metadata).toEqual({ request_id: "req-1" });
  expect(answer.cause).toBeUndefined();
  expect(unexpected).toEqual([thrown]);
});

test("a lost database is UNAVAILABLE, may be tried again, and is not unexpected", () => {
  const thrown = Object.assign(new Error("write CONNECTION_CLOSED 10.0.0.1:5432"), {
    code: "CONNECTION_CLOSED",
  });
  const { answer, unexpected, lost } = convert(thrown);
  expect(answer.code).toBe(Code.Unavailable);
  expect(answer.findDetails(ErrorInfoSchema)[0]?.reason).toBe("DATABASE_UNAVAILABLE");
  expect(answer.findDetails(RetryInfoSchema)).toHaveLength(1);
  expect(answer.message).not.toContain("10.0.0.1");
  expect({ unexpected, lost }).toEqual({ unexpected: [], lost: [thrown] });
});

test("a lost connection to anything else is unexpected", () => {
  const thrown = Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
  const { answer, unexpected, lost } = convert(thrown);
  expect(answer.code).toBe(Code.Internal);
  expect({ unexpected, lost }).toEqual({ unexpected: [thrown], lost: [] });
});

test("the faults of a request stay within what headers can carry, and the last entry counts the others", () => {
  const faults = Array.from({ length: 1_000 }, (_, i) => ({
    field: `f[${i}]`,
    description: "x".repeat(100),
  }));
  const { answer } = convert(new InvalidRequestError(faults));
  const { fieldViolations = [] } = answer.findDetails(BadRequestSchema)[0] ?? {};
  expect(JSON.stringify(fieldViolations).length).toBeLessThan(8_000);
  const left = Number(/^(\d+) further faults$/.exec(fieldViolations.at(-1)?.description ?? "")?.[1]);
  expect(left + fieldViolations.length - 1).toBe(1_000);
  expect(answer.rawMessage.length).toBeLessThanOrEqual(1_000);
});

test("half a character, which no header and no protobuf string can carry, is replaced", () => {
  const { answer } = convert(new Busy(`a\ud83d`, { name: `${"x".repeat(254)}😀😀` }));
  expect(answer.rawMessage.isWellFormed()).toBe(true);
  expect(answer.findDetails(ErrorInfoSchema)[0]?.metadata.name?.isWellFormed()).toBe(true);
});

test.each([
  [
    "message size 5 is larger than configured readMaxBytes 4",
    Code.ResourceExhausted,
    "MESSAGE_TOO_LARGE",
    Code.ResourceExhausted,
  ],
  ["parse binary: premature EOF", Code.Internal, "INVALID_REQUEST", Code.InvalidArgument],
  ["protocol error: incomplete envelope", Code.InvalidArgument, "INVALID_REQUEST", Code.InvalidArgument],
  ['unknown compression "deflate"', Code.Unimplemented, "UNIMPLEMENTED", Code.Unimplemented],
  ["the operation timed out", Code.DeadlineExceeded, "DEADLINE_EXCEEDED", Code.DeadlineExceeded],
  ["serialize binary: oops", Code.Internal, "INTERNAL", Code.Internal],
])("Connect's own error gets a reason: %s", (message, code, reason, wanted) => {
  const error = new ConnectError(message, code);
  const { answer } = convert(error);
  expect(answer).toBe(error);
  expect(answer.code).toBe(wanted);
  expect(answer.findDetails(ErrorInfoSchema)[0]?.reason).toBe(reason);
});
