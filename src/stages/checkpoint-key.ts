import { createHash } from "node:crypto";

/**
 * Key under which a stage's output is kept: SHA-256 in hex over type, version, options and `inputKey` (the key
 * of the stage before, or the content hash of the source). Equal keys mean equal outputs. The password of the
 * extract stage is left out: it opens the document or does not, and belongs into no stored key.
 */
export function checkpointKey(type: string, version: number, options: unknown, inputKey: string): string {
  const counted = type === "extract" ? withoutPassword(options) : options;
  return createHash("sha256")
    .update(canonicalJson([type, version, counted, inputKey]))
    .digest("hex");
}

/** JSON with the keys of every object sorted by code unit and without undefined members. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (inner === null || typeof inner !== "object" || Array.isArray(inner)) return inner;
    // No integer-like keys come out of order here: they are sorted by the engine in every object alike.
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  });
}

function withoutPassword(options: unknown): unknown {
  if (options === null || typeof options !== "object") return options;
  return { ...options, password: undefined };
}
