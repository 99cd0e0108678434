import { table } from "./text.ts";

/** What `sluice keys list` tells of a signing key. */
export interface KeyLine {
  readonly kid: string;
  readonly state: string;
  readonly compromised: boolean;
  readonly createdAt: Date;
  readonly activatedAt: Date | null;
  readonly retiredAt: Date | null;
}

/** A table for people. */
export function keysText(keys: readonly KeyLine[]): string {
  const minute = (time: Date | null): string => (time ? `${time.toISOString().slice(0, 16)}Z` : "");
  return table(
    ["KEY", "STATE", "MADE", "SIGNS SINCE", "RETIRED"],
    keys.map(({ kid, state, compromised, createdAt, activatedAt, retiredAt }) => [
      kid,
      compromised ? "condemned" : state,
      minute(createdAt),
      minute(activatedAt),
      minute(retiredAt),
    ]),
  ).trimEnd();
}

/** A line of JSON each. */
export function keysJson(keys: readonly KeyLine[]): string {
  return keys
    .map(({ kid, state, compromised, createdAt, activatedAt, retiredAt }) =>
      JSON.stringify({ kid, state, compromised, createdAt, activatedAt, retiredAt }),
    )
    .join("\n");
}
