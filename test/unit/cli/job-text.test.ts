import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { DocumentSchema, DocumentSource } from "../../../gen/sluice/v1/jobs_pb.ts";
import { documentName } from "../../../src/cli/job-text.ts";

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
