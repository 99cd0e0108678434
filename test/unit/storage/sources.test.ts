import { expect, test } from "vitest";
import { createS3Sources } from "../../../src/storage/s3/sources.ts";

const open = (...entries: string[]) => createS3Sources(entries, null);

test.each([
  ["s3://docs/a.pdf", true],
  ["s3://docs/deep/er/a.pdf", true],
  ["s3://docs/with%20space%3F.pdf", true],
  ["s3://shared/team/a.pdf", true],
  ["s3://shared/team", false],
  ["s3://shared/team2/a.pdf", false],
  ["s3://shared/other/a.pdf", false],
  ["s3://shared/team/../other/a.pdf", false],
  ["s3://shared/team/%2e%2e/other/a.pdf", false],
  ["s3://shared/team/..%2fother/a.pdf", false],
  ["s3://shared/team/./a.pdf", true],
  ["s3://shared/team/.%2fa.pdf", false],
  ["s3://shared/team//a.pdf", false],
  ["s3://docs", false],
  ["s3://docs/", false],
  ["s3://docs/a/", false],
  ["s3://docs/a%00b", false],
  ["s3://docs/%zz", false],
  ["s3://docs/a.pdf?versionId=1", false],
  ["s3://docs/a.pdf#x", false],
  ["s3://key:secret@docs/a.pdf", false],
  ["s3://docs:9000/a.pdf", false],
  ["s3://DOCS/a.pdf", false],
  [`s3://docs/${"k".repeat(1_025)}`, false],
  ["https://docs/a.pdf", false],
])("with docs and shared/team open, %s may be fetched: %s", (uri, allowed) => {
  expect(open("docs", "s3://shared/team?region=eu-west-1").allows(uri)).toBe(allowed);
});

test("without a list nothing may be fetched", () => {
  expect(open().allows("s3://docs/a.pdf")).toBe(false);
});

test("an entry that names no bucket is refused with the name of the setting", () => {
  expect(() => open("docs", "https://docs")).toThrow(/^SLUICE_S3_SOURCES: /);
  expect(() => open("a b")).toThrow(/^SLUICE_S3_SOURCES: /);
});
