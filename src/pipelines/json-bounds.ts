const MAX_DEPTH = 32;
const MAX_BYTES = 64 * 1024;

/** Why free-form options cannot be taken: too deep, too large, or with a number that JSON does not have. */
export function structFault(value: unknown): string | null {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return `Must be nested at most ${MAX_DEPTH} deep.`;
    if (level.some((inner) => typeof inner === "number" && !Number.isFinite(inner)))
      return "Must not hold numbers that are not finite.";
    level = level.flatMap((inner) =>
      inner !== null && typeof inner === "object" ? Object.values(inner) : [],
    );
  }
  return Buffer.byteLength(JSON.stringify(value ?? {})) > MAX_BYTES
    ? "Must have at most 64 KiB as JSON."
    : null;
}
