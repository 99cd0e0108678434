import { createHash } from "node:crypto";
import { canonicalJson } from "../lib/canonical-json.ts";

/**
 * Key under which a stage's output is kept: SHA-256 in hex over type, version, options and `inputKey` (the key
 * of the stage before, or the content hash of the source) and the condition, if there is one, under which the stage runs at
 * all. Equal keys mean equal outputs, that of a stage which its condition left out among them. The password of the
 * extract stage is left out: it opens the document or does not, and belongs into no stored key.
 */
export function checkpointKey(
  type: string,
  version: number,
  options: unknown,
  inputKey: string,
  when?: string,
): string {
  const counted = type === "extract" ? withoutPassword(options) : options;
  return createHash("sha256")
    .update(canonicalJson([type, version, counted, inputKey, ...(when === undefined ? [] : [when])]))
    .digest("hex");
}

function withoutPassword(options: unknown): unknown {
  if (options === null || typeof options !== "object") return options;
  return { ...options, password: undefined };
}
