import { Code, ConnectError } from "@connectrpc/connect";
import { expect, expectTypeOf, test } from "vitest";
import { ErrorReasonSchema } from "../../../gen/sluice/v1/error_reason_pb.ts";
import {
  type ClientReason,
  type ServerReason,
  SluiceError,
  type SluiceReason,
} from "../../../sdk/src/node.ts";
import { reasonOf, toSluiceError } from "../../../sdk/src/translate.ts";
import { failure } from "./server.ts";

test("every reason of the contract is a reason of the SDK, under the name that the wire has", () => {
  const names = ErrorReasonSchema.values.filter(({ number }) => number !== 0);
  expect(names.length).toBeGreaterThan(60);
  for (const { name } of names) {
    const wire = name.replace(/^ERROR_REASON_/, "");
    expect(reasonOf(wire)).toBe(wire);
  }
  expectTypeOf<"JOB_NOT_FOUND">().toExtend<ServerReason>();
  expectTypeOf<"UNSPECIFIED">().not.toExtend<SluiceReason>();
  expectTypeOf<ServerReason | ClientReason>().toEqualTypeOf<SluiceReason>();
});

test("an error of the server keeps reason, code, sentence, faults, delay and metadata", () => {
  const fields = [{ field: "source.text", description: "is empty" }];
  const error = toSluiceError(
    failure(Code.InvalidArgument, "INVALID_REQUEST", "Not valid.", { fields, retryAfterMs: 250 }),
  );
  expect(error).toBeInstanceOf(SluiceError);
  expect(error).toMatchObject({
    reason: "INVALID_REQUEST",
    code: "invalid_argument",
    message: "Not valid.",
    fields,
  });
  expect(error).toMatchObject({ retryAfterMs: 250, metadata: { test: "1" } });
});

test("a reason of a newer server is UNKNOWN, and its name is in the metadata", () => {
  const error = toSluiceError(failure(Code.Internal, "FROM_THE_FUTURE", "New."));
  expect(error).toMatchObject({
    reason: "UNKNOWN",
    code: "internal",
    metadata: { reason: "FROM_THE_FUTURE" },
  });
});

test.each([
  ["ECONNREFUSED", "UNREACHABLE"],
  ["ENOTFOUND", "UNREACHABLE"],
  ["ECONNRESET", "CONNECTION_LOST"],
  ["EPIPE", "CONNECTION_LOST"],
  ["ERR_HTTP2_STREAM_CANCEL", "CONNECTION_LOST"],
])("a broken connection (%s) is UNAVAILABLE / %s", (code, reason) => {
  const cause = Object.assign(new Error(`x ${code}`), { code });
  const wire = new ConnectError("broken", Code.Internal, undefined, undefined, cause);
  expect(toSluiceError(wire)).toMatchObject({ code: "unavailable", reason });
});

test("a refused stream is UNAVAILABLE, as another one may be let in", () => {
  const wire = new ConnectError("Stream closed with error code NGHTTP2_REFUSED_STREAM", Code.Internal);
  expect(toSluiceError(wire)).toMatchObject({ code: "unavailable" });
});
