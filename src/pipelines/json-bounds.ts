const MAX_DEPTH = 32;
const MAX_BYTES = 64 * 1024;
/** A definition is read whenever one of its jobs begins. */
export const MAX_DEFINITION_BYTES = 256 * 1024;

/**
 * Looks at the free-form options of one definition, stage by stage, and tells why they cannot be taken: too deep, too
 * large, or with a number that JSON does not have. Once they are too large in all it looks no further.
 */
export function createStructCheck(): (value: unknown) => string | null {
  let total = 0;
  return (value) => {
    if (total > MAX_DEFINITION_BYTES) return "The options of the stages have more than 256 KiB in all.";
    let level: unknown[] = [value];
    for (let depth = 0; level.length > 0; depth++) {
      if (depth > MAX_DEPTH) return `Must be nested at most ${MAX_DEPTH} deep.`;
      if (level.some((inner) => typeof inner === "number" && !Number.isFinite(inner)))
        return "Must not hold numbers that are not finite.";
      level = level.flatMap((inner) =>
        inner !== null && typeof inner === "object" ? Object.values(inner) : [],
      );
    }
    const bytes = Buffer.byteLength(JSON.stringify(value ?? {}));
    total += bytes;
    return bytes > MAX_BYTES ? "Must have at most 64 KiB as JSON." : null;
  };
}
