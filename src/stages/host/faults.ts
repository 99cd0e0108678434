import { DocumentFault, type DocumentFaultReason, LIMIT_NAMES, LimitFault } from "../../extract/errors.ts";
import { type StageEvidence, StageFailure } from "../stage.ts";
import { clip, type WireFault } from "./protocol.ts";

const DOCUMENT_FAULTS: ReadonlySet<string> = new Set<DocumentFaultReason>([
  "DOCUMENT_CORRUPT",
  "DOCUMENT_EMPTY",
  "DOCUMENT_ENCRYPTED",
  "DOCUMENT_TOO_LARGE",
  "LIMIT_EXCEEDED",
  "UNSUPPORTED_MEDIA_TYPE",
]);

/**
 * A throw of a stage as it may leave the child: faults keep reason and message; anything else keeps only
 * its sentence, without stack and paths.
 */
export function toWire(error: unknown, hiddenPaths: readonly string[]): WireFault {
  // By name, not by class: a stage of the operator's may have loaded its own copy of the class.
  const { name, reason, limit, retryable } = Object(error) as {
    name?: unknown;
    reason?: unknown;
    limit?: unknown;
    retryable?: unknown;
  };
  const message = withoutPaths(error instanceof Error ? error.message : String(error), hiddenPaths);
  if (name === "DocumentFault" && typeof reason === "string" && DOCUMENT_FAULTS.has(reason)) {
    return { type: "document", reason, message, ...(typeof limit === "string" ? { limit } : {}) };
  }
  if (name === "StageFailure" && typeof reason === "string") {
    return { type: "stage", reason, message, retryable: retryable === true };
  }
  if (isOutOfMemory(error)) return { type: "memory" };
  return { type: "other", message };
}

/** The error the caller of the pool gets for a fault that the child reported. */
export function fromWire(fault: WireFault, stageType: string, evidence: StageEvidence): Error {
  switch (fault.type) {
    case "document":
      return isLimitFault(fault)
        ? new LimitFault(fault.limit, fault.message, fault.reason)
        : new DocumentFault(fault.reason as DocumentFaultReason, fault.message);
    case "stage":
      return new StageFailure(fault.reason, fault.message, fault.retryable, evidence);
    case "memory":
      return outOfMemory(stageType, evidence);
    case "other":
      return new StageFailure("STAGE_FAILED", `Stage ${stageType} failed: ${fault.message}`, false, evidence);
  }
}

/** A stage of the operator's may name a limit that there is not. */
function isLimitFault(fault: {
  reason: string;
  limit?: string;
}): fault is Pick<LimitFault, "limit" | "reason"> {
  const known = LIMIT_NAMES.some((name) => name === fault.limit);
  return known && (fault.reason === "LIMIT_EXCEEDED" || fault.reason === "DOCUMENT_TOO_LARGE");
}

/** The document needs more memory than one document may have; the next attempt would need it too. */
export function outOfMemory(stageType: string, evidence: StageEvidence): StageFailure {
  return new StageFailure(
    "PARSER_OUT_OF_MEMORY",
    `The document needs more memory in stage ${stageType} than one document may have. ` +
      "Split the document, or raise the memory limit of the worker.",
    false,
    evidence,
  );
}

function isOutOfMemory(error: unknown): boolean {
  return (
    error instanceof Error &&
    /array buffer allocation failed|out of memory|cannot enlarge memory|could not allocate memory/i.test(
      error.message,
    )
  );
}

function withoutPaths(message: string, hiddenPaths: readonly string[]): string {
  let text = message.split("\n    at ")[0] ?? "";
  for (const path of hiddenPaths) {
    if (path.length > 1) text = text.replaceAll(path, "…");
  }
  text = text.replace(/(?:file:\/\/|(?<![\w/:]))(?:\/[\w.@+~-]+){2,}/g, "…").trim();
  return clip(text === "" ? "no reason was given" : text);
}
