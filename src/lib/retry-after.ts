const LONGEST_MS = 24 * 3_600_000;

/**
 * What the header `retry-after` asks for (RFC 9110, 10.2.3: seconds, or a date), in milliseconds, 24 h at most; undefined
 * when it says nothing that can be read.
 */
export function retryAfterMs(value: unknown, nowMs: number): number | undefined {
  if (typeof value !== "string") return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), LONGEST_MS);
}
