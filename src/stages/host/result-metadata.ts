import type { Json } from "../../extract/model.ts";
import type { WorkingDocument } from "../stage.ts";
import { MAX_METADATA_BYTES } from "./protocol.ts";

const MAX_TEXT = 2_000;

/**
 * What a result says beside its text: source, media type, properties, facts, pages, children, warnings,
 * quality. At most 256 KiB as JSON: lists are halved, longest first, until it fits, and `truncated` gives
 * the full length of each list that was cut.
 */
export function resultMetadata(document: WorkingDocument): { [key: string]: Json } {
  const truncated: { [path: string]: number } = {};
  const full = {
    source: document.source,
    mediaType: document.mediaType ?? null,
    encoding: document.encoding ?? null,
    properties: document.properties,
    facts: document.facts,
    quality: document.quality ?? null,
    warnings: document.warnings,
    pages: document.pages ?? [],
    children: (document.children ?? []).map(({ blocks, blockCount, ...facts }) => ({
      ...facts,
      blocks: blockCount ?? blocks?.length ?? 0,
    })),
    chunkCount: document.chunks?.length ?? 0,
  };
  // Through JSON: drops what is undefined and gives a copy that may be cut.
  const metadata = JSON.parse(JSON.stringify(full)) as { [key: string]: Json };
  cutTexts(metadata);
  while (Buffer.byteLength(JSON.stringify({ ...metadata, truncated })) > MAX_METADATA_BYTES) {
    const largest = largestList(metadata);
    if (largest === undefined) return onlyTheNeeded(metadata);
    truncated[largest.path] ??= largest.list.length;
    largest.list.length = Math.floor(largest.list.length / 2);
  }
  return Object.keys(truncated).length === 0 ? metadata : { ...metadata, truncated };
}

/** For documents whose properties are themselves without bound. */
function onlyTheNeeded({ source, mediaType, quality, chunkCount }: { [key: string]: Json }): {
  [key: string]: Json;
} {
  return {
    source: source ?? null,
    mediaType: mediaType ?? null,
    quality: quality ?? null,
    chunkCount: chunkCount ?? 0,
    truncated: { properties: 1, facts: 1 },
  };
}

interface FoundList {
  path: string;
  list: Json[];
  bytes: number;
}

function largestList(value: Json, path = "", best?: FoundList): FoundList | undefined {
  if (value === null || typeof value !== "object") return best;
  let found = best;
  if (Array.isArray(value)) {
    const bytes = JSON.stringify(value).length;
    if (value.length > 0 && bytes > (best?.bytes ?? 0)) found = { path, list: value, bytes };
    return found;
  }
  for (const [key, inner] of Object.entries(value)) {
    found = largestList(inner, path === "" ? key : `${path}.${key}`, found);
  }
  return found;
}

function cutTexts(value: Json): void {
  if (value === null || typeof value !== "object") return;
  const holder = value as { [key: string]: Json };
  for (const [key, inner] of Object.entries(holder)) {
    if (typeof inner === "string" && inner.length > MAX_TEXT) holder[key] = `${inner.slice(0, MAX_TEXT)}…`;
    else cutTexts(inner);
  }
}
