import { expect, test } from "vitest";
import { loadConfig, SETTING_NAMES } from "../../../src/config.ts";
import { DocumentFault, LimitFault, type LimitName } from "../../../src/extract/errors.ts";
import { DocumentNotFoundError } from "../../../src/jobs/errors.ts";
import { fromWire, toWire } from "../../../src/stages/host/faults.ts";
import { StageFailure } from "../../../src/stages/stage.ts";
import { StorageUnavailableError } from "../../../src/storage/errors.ts";
import { JobTimeout, jobErrorOf } from "../../../src/worker/failure.ts";

const evidence = {
  exitCode: null,
  signal: null,
  peakRssBytes: 0,
  durationMs: 0,
  lastShare: 0,
  stderrTail: "",
};

test("a fault of the document keeps its reason and is never tried again", () => {
  expect(jobErrorOf(new DocumentFault("DOCUMENT_CORRUPT", "broken"), "extract")).toEqual({
    reason: "DOCUMENT_CORRUPT",
    message: "broken",
    retryable: false,
    stage: "extract",
  });
});

test("a document that goes beyond a limit tells which setting to raise, also through the wire of its process", () => {
  const limits = Object.keys(loadConfig({}).limits).filter((name) => name !== "maxPages") as LimitName[];
  expect(limits.length).toBeGreaterThan(5);
  for (const limit of limits) {
    const fault = new LimitFault(limit, "Too much.", "DOCUMENT_TOO_LARGE");
    const error = jobErrorOf(fromWire(toWire(fault, []), "extract", evidence), "extract");
    expect(error).toMatchObject({ reason: "DOCUMENT_TOO_LARGE", retryable: false });
    expect(SETTING_NAMES).toContain(error.limit);
    expect(error.message).toBe(`Too much. The limit is ${error.limit}.`);
  }
});

test("a document process that was ended for memory or silence names the setting that would give it more", () => {
  for (const reason of ["PARSER_OUT_OF_MEMORY", "PARSER_TIMEOUT"])
    expect(SETTING_NAMES).toContain(jobErrorOf(new StageFailure(reason, "m", false), "s").limit);
  for (const reason of ["STAGE_FAILED", "constructor"])
    expect(jobErrorOf(new StageFailure(reason, "m", false), "s")).not.toHaveProperty("limit");
});

test("a limit that no setting moves is not named", () => {
  for (const [reason, limit] of [
    ["LIMIT_EXCEEDED", "maxPigeons"],
    ["LIMIT_EXCEEDED", "toString"],
    ["DOCUMENT_CORRUPT", "maxDepth"],
  ] as const) {
    const fault = Object.assign(new DocumentFault(reason, "Too much."), { limit });
    const error = jobErrorOf(fromWire(toWire(fault, []), "mine", evidence), "mine");
    expect(error).toEqual({ reason, message: "Too much.", retryable: false, stage: "mine" });
  }
});

test("a stage says itself whether trying again can help", () => {
  for (const retryable of [true, false]) {
    expect(jobErrorOf(new StageFailure("PARSER_CRASHED", "m", retryable), "s")).toMatchObject({ retryable });
  }
});

test("a job that took too long fails for good", () => {
  expect(jobErrorOf(new JobTimeout(5_000), null)).toEqual({
    reason: "JOB_TIMEOUT",
    retryable: false,
    message: "The attempt took longer than the 5 seconds that the job may take. Give it a longer timeout.",
  });
});

test("a store that is away is tried again, a document that is gone is not", () => {
  expect(jobErrorOf(new StorageUnavailableError("store", "no answer", null), "fetch").retryable).toBe(true);
  expect(jobErrorOf(new DocumentNotFoundError("d"), "fetch").retryable).toBe(false);
});

test("nothing of an unexpected throw is shown", () => {
  const shown = jobErrorOf(new TypeError("password hunter2 at /srv/secret"), "extract");
  expect(shown).toMatchObject({ reason: "INTERNAL", retryable: true });
  expect(JSON.stringify(shown)).not.toMatch(/hunter2|srv/);
  expect(jobErrorOf("a string", null).reason).toBe("INTERNAL");
});
