import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import {
  DocumentSchema,
  DocumentSource,
  JobEventSchema,
  JobStatus,
  QuarantineEvidenceSchema,
} from "../../../gen/sluice/v1/jobs_pb.ts";
import { describe, documentName, evidenceLines } from "../../../src/cli/job-text.ts";

test("a document without a name is known by its address, or by what it is", () => {
  const { TEXT, INLINE, URI } = DocumentSource;
  const nameOf = (fields: Parameters<typeof create<typeof DocumentSchema>>[1]) =>
    documentName(create(DocumentSchema, fields));
  expect(nameOf({ filename: "a.pdf", mediaType: "application/pdf", source: INLINE })).toBe("a.pdf");
  expect(nameOf({ uri: "https://example.com/a", source: URI })).toBe("https://example.com/a");
  expect(nameOf({ mediaType: "text/plain", source: TEXT })).toBe("(text)");
  expect(nameOf({ mediaType: "application/pdf", source: INLINE })).toBe("(application/pdf)");
  expect(nameOf({ source: INLINE })).toBe("(no name)");
  expect(documentName(undefined)).toBe("(none)");
});

const LOST = {
  workerId: "w1",
  stage: "extract",
  stageMessage: "page 3 of 12",
  peakMemoryBytes: 314_572_800n,
  lastHeartbeatTime: { seconds: 1_700_000_000n, nanos: 0 },
};
const LOST_TEXT = "w1, in extract, page 3 of 12, 300 MiB of memory, last heard of at 2023-11-14T22:13:20Z";

test("a job that was set aside shows each lost claim and its last log lines", () => {
  const evidence = create(QuarantineEvidenceSchema, {
    lostClaims: [LOST, { workerId: "w2" }],
    logLines: ["a table was skipped"],
  });
  expect(evidenceLines(evidence)).toEqual([
    ["Lost", LOST_TEXT],
    ["Lost", "w2"],
    ["Log", "a table was skipped"],
  ]);
  expect(evidenceLines(undefined)).toEqual([]);
});

test("an event tells when a worker was lost, and what was known of it", () => {
  const event = create(JobEventSchema, {
    event: { case: "statusChanged", value: { status: JobStatus.CREATED, lostClaim: LOST } },
  });
  expect(describe(event)).toBe(`CREATED after its worker was lost: ${LOST_TEXT}`);
});
