import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import {
  type Document,
  DocumentSource,
  type JobEvent,
  jobStatusName,
  LogLevelSchema,
  StageStatusSchema,
} from "@sluice/sdk";
import { clean } from "./text.ts";

/** What people know a document by: its name, else its address, else what it is, in brackets. Not cleaned. */
export function documentName(document: Document | undefined): string {
  if (!document) return "(none)";
  const { filename, uri, source, mediaType } = document;
  return filename || uri || `(${source === DocumentSource.TEXT ? "text" : mediaType || "no name"})`;
}

/** One event in a few words, ready for a terminal. */
export function describe({ event }: JobEvent): string {
  switch (event.case) {
    case "statusChanged": {
      const { status, error } = event.value;
      return clean(`${jobStatusName(status)}${error ? ` ${error.reason}: ${error.message}` : ""}`);
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
