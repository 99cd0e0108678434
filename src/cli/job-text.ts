import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import {
  type Document,
  DocumentSource,
  type JobEvent,
  jobStatusName,
  LogLevelSchema,
  type LostClaim,
  type QuarantineEvidence,
  StageStatusSchema,
} from "@sluice/sdk";
import { bytes, clean } from "./text.ts";

/** What people know a document by: its name, else its address, else what it is, in brackets. Not cleaned. */
export function documentName(document: Document | undefined): string {
  if (!document) return "(none)";
  const { filename, uri, source, mediaType } = document;
  return filename || uri || `(${source === DocumentSource.TEXT ? "text" : mediaType || "no name"})`;
}

/** A lost claim in a few words: the worker, and what was last known of its work. Not cleaned. */
export function lostClaimText(claim: LostClaim): string {
  const { workerId, stage, stageMessage, peakMemoryBytes, lastHeartbeatTime } = claim;
  return [
    workerId,
    stage && `in ${stage}`,
    stageMessage,
    peakMemoryBytes > 0n && `${bytes(Number(peakMemoryBytes))} of memory`,
    lastHeartbeatTime && `last heard of at ${timeOf(lastHeartbeatTime)}`,
  ]
    .filter(Boolean)
    .join(", ");
}

/** What was seen of a job that was set aside, line by line with its heading. Not cleaned. */
export function evidenceLines(evidence: QuarantineEvidence | undefined): [string, string][] {
  return [
    ...(evidence?.lostClaims ?? []).map((claim): [string, string] => ["Lost", lostClaimText(claim)]),
    ...(evidence?.logLines ?? []).map((line): [string, string] => ["Log", line]),
  ];
}

/** One event in a few words, ready for a terminal. */
export function describe({ event }: JobEvent): string {
  switch (event.case) {
    case "statusChanged": {
      const { status, error, lostClaim } = event.value;
      const why = error ? ` ${error.reason}: ${error.message}` : "";
      const lost = lostClaim ? ` after its worker was lost: ${lostClaimText(lostClaim)}` : "";
      return clean(`${jobStatusName(status)}${why || lost}`);
    }
    case "stageStarted":
      return clean(`${event.value.name} started`);
    case "stageProgress":
      return clean(`${event.value.name} ${Math.round(event.value.percent)}% ${event.value.message}`);
    case "stageFinished": {
      const { name, status, error } = event.value;
      const how = StageStatusSchema.value[status]?.localName.toLowerCase() ?? "finished";
      return clean(`${name} ${how}${error ? ` ${error.reason}: ${error.message}` : ""}`);
    }
    case "log":
      return clean(`${LogLevelSchema.value[event.value.level]?.localName ?? "LOG"} ${event.value.message}`);
    default:
      return "";
  }
}

export const msOf = (time: Timestamp | undefined): number => (time ? timestampDate(time).getTime() : 0);

/** The instant to the second, in UTC. */
export function timeOf(time: Timestamp | undefined): string {
  return time
    ? timestampDate(time)
        .toISOString()
        .replace(/\.\d+Z$/, "Z")
    : "";
}
