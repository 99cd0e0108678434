/** A `google.protobuf.Timestamp` without its type name. */
export interface TimestampFields {
  seconds: bigint;
  nanos: number;
}

/** `undefined` for null, so that an absent instant is an unset field. */
export function timestampOf(date: Date | null): TimestampFields | undefined {
  if (!date) return undefined;
  const ms = date.getTime();
  const seconds = Math.floor(ms / 1000);
  return { seconds: BigInt(seconds), nanos: (ms - seconds * 1000) * 1_000_000 };
}

/** To the millisecond, rounded down; null for an unset field. */
export function dateOf(timestamp: TimestampFields | undefined): Date | null {
  if (!timestamp) return null;
  return new Date(Number(timestamp.seconds) * 1000 + Math.floor(timestamp.nanos / 1_000_000));
}

/** A `google.protobuf.Duration` from milliseconds. */
export function durationOf(ms: number): TimestampFields {
  const seconds = Math.trunc(ms / 1000);
  return { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1000) * 1_000_000) };
}

/** Milliseconds of a duration, rounded down; null for an unset field. */
export function millisecondsOf(duration: TimestampFields | undefined): number | null {
  return duration ? Number(duration.seconds) * 1000 + Math.floor(duration.nanos / 1_000_000) : null;
}
