import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ListAuditLogsRequestSchema, VerifyAuditLogRequestSchema } from "../../../gen/sluice/v1/audit_pb.ts";
import { filterFromMessage, rangeFromMessage } from "../../../src/audit/convert.ts";

test("the last instant that can be asked for is one that the database knows", () => {
  const time = { seconds: 253_402_300_799n, nanos: 999_999_999 };
  const { start, end } = filterFromMessage(
    create(ListAuditLogsRequestSchema, { startTime: time, endTime: time }),
  );
  expect([start, end].map((at) => at?.toISOString())).toEqual(Array(2).fill("9999-12-31T23:59:59.999Z"));
});

test("numbers beyond all that the chain can reach are as good as the highest of those", () => {
  const most = 2n ** 63n - 1n;
  const range = rangeFromMessage(
    create(VerifyAuditLogRequestSchema, { startSequence: most, endSequence: most }),
  );
  expect(range).toEqual({ start: Number.MAX_SAFE_INTEGER, end: Number.MAX_SAFE_INTEGER });
});
